"""Dependencies in both directions, direct and indirect, also in a broken index."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kmodtui.kernel.proc_modules import parse_modules
from kmodtui.model.graph import (
    MAX_DEPTH,
    TreeNode,
    branch_prefix,
    direct,
    loaded_dependencies,
    walk,
)

TABLE = parse_modules(
    b"btrfs 1 0 - Live 0x0\n"
    b"xor 1 1 btrfs, Live 0x0\n"
    b"raid6_pq 1 2 raid456,btrfs, Live 0x0\n"
    b"raid456 1 0 - Live 0x0\n"
    b"binder 1 1 ghost,[permanent], Live 0x0\n"
)


def test_dependencies_are_the_inverse_of_the_users() -> None:
    needs = loaded_dependencies(TABLE)
    assert needs["btrfs"] == ("raid6_pq", "xor")
    assert needs["raid456"] == ("raid6_pq",)
    assert needs["xor"] == ()
    # A user that was unloaded while the file was read.
    assert needs["ghost"] == ("binder",)


INDEX = {
    "top": ("base", "left", "right"),
    "left": ("base",),
    "right": ("base",),
    "base": (),
}


def test_direct_dependencies_are_those_that_imply_the_others() -> None:
    assert direct(INDEX.__getitem__, "top") == ("left", "right")
    assert direct(INDEX.__getitem__, "left") == ("base",)
    assert direct(INDEX.__getitem__, "base") == ()


def test_a_module_that_depends_on_itself_is_kept() -> None:
    index = {"a": ("b",), "b": ("b",)}
    assert direct(index.__getitem__, "a") == ("b",)


def drawing(edges: dict[str, tuple[str, ...]], root: str) -> list[str]:
    return [
        branch_prefix(node.last) + node.name + (" …" if node.repeated else "")
        for node in walk(edges.__getitem__, root)
    ]


def test_a_tree_is_drawn_with_its_branches() -> None:
    edges = {"a": ("b", "c"), "b": ("d", "e"), "c": ("f",), "d": (), "e": (), "f": ()}
    assert drawing(edges, "a") == [
        "a",
        "├─ b",
        "│  ├─ d",
        "│  └─ e",
        "└─ c",
        "   └─ f",
    ]


def test_the_branches_of_a_module_are_shown_once() -> None:
    edges = {"a": ("b", "c"), "b": ("d",), "c": ("b", "d"), "d": ()}
    assert drawing(edges, "a") == ["a", "├─ b", "│  └─ d", "└─ c", "   ├─ b …", "   └─ d"]


def test_a_cycle_ends() -> None:
    edges = {"a": ("b",), "b": ("a",)}
    assert list(walk(edges.__getitem__, "a")) == [
        TreeNode("a", 0, ()),
        TreeNode("b", 1, (True,)),
        TreeNode("a", 2, (True, True), repeated=True),
    ]


def test_a_chain_is_shown_down_to_the_last_level() -> None:
    nodes = list(walk(lambda name: (str(int(name) + 1),) if name != "3000" else (), "0"))
    assert (nodes[-1].name, nodes[-1].depth) == (str(MAX_DEPTH), MAX_DEPTH)
    assert [node.truncated for node in nodes] == [False] * MAX_DEPTH + [True]
    shorter = list(walk(lambda name: (str(int(name) + 1),) if name != "200" else (), "0"))
    assert not shorter[-1].truncated


def test_a_module_without_dependencies_is_a_tree() -> None:
    assert list(walk(lambda _: (), "a")) == [TreeNode("a", 0, ())]


_edges = st.dictionaries(
    st.sampled_from("abcdefgh"),
    st.lists(st.sampled_from("abcdefgh"), max_size=4, unique=True).map(tuple),
)


@given(_edges, st.sampled_from("abcdefgh"))
def test_a_walk_through_any_graph_ends_and_visits_everything(
    edges: dict[str, tuple[str, ...]], root: str
) -> None:
    def neighbours(name: str) -> tuple[str, ...]:
        return edges.get(name, ())

    nodes = list(walk(neighbours, root))
    near = {other for node in nodes for other in neighbours(node.name)}
    assert {node.name for node in nodes} == {root, *near}
    opened = [node.name for node in nodes if not node.repeated and neighbours(node.name)]
    assert len(opened) == len(set(opened))
    assert all(len(node.last) == node.depth for node in nodes)

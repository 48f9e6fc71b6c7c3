"""What a system lets users do with modules: the checks of `kmodtui doctor`."""

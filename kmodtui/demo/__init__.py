"""A recorded Debian system and a simulated kernel that changes it as modules come and go."""

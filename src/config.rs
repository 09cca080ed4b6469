//! Settings, read once: a TOML file, overridden by the environment, overridden by flags.

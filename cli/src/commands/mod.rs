pub mod analyze;
pub mod proxy_config;

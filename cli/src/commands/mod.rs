pub mod analyze;
pub mod authz;
pub mod proxy_config;
pub mod ztunnel_config;

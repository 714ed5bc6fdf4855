//! Tells how far a sensor is from its reference: a plug-in for Extism, with Extism's own kit for Rust.
//! `{"value": 21.5, "reference": 20}` in; `{"drift": 1.5}` out where it is more than the `limit` of
//! the params (default 1), nothing where it is not.
use extism_pdk::{config, plugin_fn, Error, FnResult};
use serde_json::{json, Value};

#[plugin_fn]
pub fn handle(event: String) -> FnResult<String> {
    let event: Value = serde_json::from_str(&event)?;
    let number = |name: &str| {
        event[name].as_f64().ok_or_else(|| Error::msg(format!("an event needs the number {name}")))
    };
    let drift = number("value")? - number("reference")?;
    let limit = config::get("limit")?.and_then(|text| text.parse().ok()).unwrap_or(1.0);
    if drift.abs() <= limit {
        return Ok(String::new());
    }
    Ok(json!({ "drift": drift }).to_string())
}

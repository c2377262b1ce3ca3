//! The description of what is served, made from the types that are served.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::app::App;
use super::document::Document;
use crate::component::names;

/// The document, in `OpenAPI` 3.1, whose schemas are JSON Schema as it is.
pub(super) async fn openapi(State(_): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description().to_string()).into_response()
}

fn description() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = SchemaGenerator::new(settings.for_serialize());
    let document = generator.subschema_for::<Document>();
    let schemas = generator.take_definitions(true);
    let health = |description: &str| {
        let content = json!({ "application/health+json": { "schema": document } });
        json!({
            "200": { "description": format!("{description}: healthy, or with something to look at"), "content": content },
            "503": { "description": format!("{description}: not healthy, or nobody can tell"), "content": content },
            "401": { "description": "The token is missing." },
        })
    };
    let plain = |description: &str| json!({ "200": { "description": description, "content": { "text/plain": {} } } });
    let guarded = json!([{ "bearer": [] }, { "basic": [] }]);
    let component = json!({
        "name": "component", "in": "path", "required": true, "schema": { "type": "string", "enum": names() },
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "healthcheck serve",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Health of every component of a Flotilla cluster.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": {
            "/health": { "get": { "operationId": "health", "summary": "Everything", "security": guarded, "responses": health("Everything") } },
            "/health/{component}": { "get": {
                "operationId": "healthOfComponent", "summary": "One component", "parameters": [component],
                "security": guarded, "responses": health("The component"),
            } },
            "/livez": { "get": { "operationId": "livez", "summary": "Whether the process runs", "responses": plain("It runs.") } },
            "/readyz": { "get": { "operationId": "readyz", "summary": "Whether everything has been asked once", "responses": {
                "200": { "description": "It has." }, "503": { "description": "Not yet." },
            } } },
            "/metrics": { "get": { "operationId": "metrics", "summary": "Metrics for Prometheus", "security": guarded, "responses": plain("The metrics.") } },
            "/": { "get": { "operationId": "page", "summary": "The page for people", "security": guarded, "responses": {
                "200": { "description": "The page.", "content": { "text/html": {} } },
            } } },
            "/events": { "get": { "operationId": "events", "summary": "The page's news", "security": guarded, "responses": {
                "200": { "description": "Server-sent events.", "content": { "text/event-stream": {} } },
            } } },
            "/openapi.json": { "get": { "operationId": "openapi", "summary": "This document", "security": guarded, "responses": {
                "200": { "description": "This document.", "content": { "application/json": {} } },
            } } },
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "Any user; the token is the password." },
            },
        },
    })
}

//! Drives the client of the Rust SDK, as driver.py describes.

use std::{error::Error, io, process::Stdio, time::Duration};

use rmcp::{
    ClientHandler, RoleClient, model::*,
    service::{ClientLifecycleMode, ClientServiceExt, NotificationContext, PeerRequestOptions, RunningService},
    transport::{StreamableHttpClientTransport, TokioChildProcess, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};
use tokio::{process::Command, sync::mpsc, time::timeout};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// What a client has to say and to hear.
struct Handler {
    config: ClientConfig,
    progress: mpsc::UnboundedSender<ProgressToken>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.progress.send(params.progress_token);
    }
}

type Session = RunningService<RoleClient, Handler>;

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line)
}

/// The text of a field, which is empty where there is none.
fn text(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or_default().into()
}

async fn connect(case: &Value, progress: mpsc::UnboundedSender<ProgressToken>) -> Fallible<Session> {
    let mut config = ClientConfig::default();
    let mut lifecycle =
        ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
    if let Some(version) = case["version"].as_str().filter(|version| *version < "2026") {
        config.protocol_version = serde_json::from_value(json!(version))?;
        lifecycle = ClientLifecycleMode::Initialize;
    }
    let handler = Handler { config, progress };
    if let Some(url) = case["url"].as_str() {
        let mut place = StreamableHttpClientTransportConfig::with_uri(url);
        if let Some(token) = case["headers"]["Authorization"].as_str().and_then(|header| header.strip_prefix("Bearer ")) {
            place = place.auth_header(token);
        }
        return Ok(handler.serve_with_lifecycle(StreamableHttpClientTransport::from_config(place), lifecycle).await?);
    }
    let mut command = Command::new(text(case, "command"));
    command.args(case["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
    command.envs(case["env"].as_object().into_iter().flatten().map(|(name, value)| (name, value.as_str().unwrap_or_default())));
    let (child, _) = TokioChildProcess::builder(command).stderr(Stdio::inherit()).spawn()?;
    Ok(handler.serve_with_lifecycle(child, lifecycle).await?)
}

fn tool_of(step: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(text(step, "tool")).with_arguments(object(step["arguments"].clone()))
}

async fn run_step(session: &Session, step: &Value, progress: &mut mpsc::UnboundedReceiver<ProgressToken>) -> Fallible<Value> {
    Ok(match step["do"].as_str().unwrap_or_default() {
        "connect" => {
            let hello = session.peer_info().ok_or("no server")?;
            let server = hello.server_info.as_ref().map(|server| &server.name);
            json!({"client": Implementation::from_build_env().version, "protocol": hello.protocol_version, "server": server})
        }
        "tools" => json!(session.list_all_tools().await?),
        "call" => json!(session.call_tool(tool_of(step)).await?),
        "resources" => json!(session.list_all_resources().await?),
        "templates" => json!(session.list_all_resource_templates().await?),
        "resource" => json!(session.read_resource(ReadResourceRequestParams::new(text(step, "uri"))).await?),
        "prompts" => json!(session.list_all_prompts().await?),
        "prompt" => json!(session.get_prompt(GetPromptRequestParams::new(text(step, "name"))).await?),
        "completion" => {
            let (uri, argument, value) = (text(step, "uri"), text(step, "argument"), text(step, "value"));
            session.complete_resource_simple(uri, argument, value).await?.into()
        }
        "progress" => {
            session.call_tool(tool_of(step)).await?;
            // A notification may be handled after the call has ended.
            json!(timeout(Duration::from_secs(60), progress.recv()).await.is_ok() as u8)
        }
        "cancel" => {
            let request = CallToolRequest::new(tool_of(step)).into();
            let call = session.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
            // One of the step before may come late.
            while progress.recv().await.is_some_and(|token| token != call.progress_token) {}
            call.cancel(None).await?;
            json!("cancelled")
        }
        "wait" => read_line()?.into(),
        other => return Err(format!("no step {other:?}").into()),
    })
}

async fn run(number: usize, case: &Value) -> Fallible<()> {
    let (sender, mut progress) = mpsc::unbounded_channel();
    let session = connect(case, sender).await?;
    for step in case["steps"].as_array().into_iter().flatten() {
        let saw = run_step(&session, step, &mut progress).await?;
        println!("{}", json!({"case": number, "step": step["step"], "saw": saw}));
    }
    session.cancel().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let cases: Vec<Value> = serde_json::from_str(&read_line()?)?;
    for (number, case) in cases.iter().enumerate() {
        if let Err(error) = run(number, case).await {
            println!("{}", json!({"case": number, "error": error.to_string()}));
        }
    }
    Ok(())
}

//! `meshctl why FROM URL`: why a request fares as it does, step by step, at both ends; with less, what is wrong (`ranked`).

mod json;
pub mod ranked;
pub mod text;

use crate::args::why::WhyArgs;
use crate::commands::route::request;
use crate::context::Context;
use crate::mesh_input;
use crate::print::document::{Document, render};
use crate::status::{Failure, Outcome, Status};
use mesh_envoy::engine::request::Protocol;
use mesh_resolver::Mesh;
use mesh_resolver::translate::{Model, domain_of};
use mesh_resolver::why::{Answer, AskError, Mark, Question, Url, Why, other_names};

pub fn run(args: &WhyArgs, context: &Context) -> Outcome {
    // Metrics alone tell which calls fail; a request is answered from objects and dumps.
    let has_metrics = args.url.is_none() && args.prometheus.is_some();
    let mesh = if has_metrics { args.mesh.clone() } else { args.mesh.or_current() };
    let args = &WhyArgs { mesh, ..args.clone() };
    if args.who.is_none() || args.url.is_none() {
        return ranked::run(args, context);
    }
    let format = match args.output.as_str() {
        "text" => None,
        "json" => Some(Document::Json),
        "yaml" => Some(Document::Yaml),
        other => return Err(Failure::usage(format!("-o takes text, json or yaml, not `{other}`"))),
    };
    let (answer, of_input) = answer(args, context)?;
    let own = match answer.mark() {
        Mark::Broken => Status::NotFine,
        _ if !answer.is_complete() => context.partial,
        _ => Status::Fine,
    };
    context.answer(&match format {
        None => text::show(&answer),
        Some(document) => render(&json::value(&answer), document),
    })?;
    Ok(own.max(of_input))
}

/// What becomes of the request, and the status that the input alone makes.
pub fn answer(args: &WhyArgs, context: &Context) -> Result<(Answer, Status), Failure> {
    let (Some(who), Some(url)) = (&args.who, &args.url) else { return Err(Failure::usage("name who sends the request, and its URL")) };
    let question = question(args, url)?;
    let mut input = mesh_input::read(&args.mesh, context)?;
    let held = std::mem::take(&mut input.held);
    let mesh = Mesh::as_watched(&input.snapshot, domain_of(&input.snapshot));
    let model = Model::supposing(&mesh);
    let mut answer = Why::new(&model, &held).ask(who, args.mesh.namespace.as_deref(), &question).map_err(|e| match e {
        AskError::Nobody(name, known) => {
            Failure::usage(format!("no workload `{name}` is in the input; {}", crate::near::meant(&name, known, other_names(&mesh))))
        }
        AskError::Ambiguous(..) | AskError::Unwatched(..) => Failure::usage(e.to_string()),
    })?;
    answer.problems.extend(input.problems().cloned());
    Ok((answer, input.status(context)))
}

/// The request that is typed.
fn question(args: &WhyArgs, url: &str) -> Result<Question, Failure> {
    let url = Url::parse(url).map_err(Failure::usage)?;
    let request = &args.request;
    let mut question = Question::get(url);
    question.method = args.method.to_ascii_uppercase();
    for header in &request.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| Failure::usage(format!("the header `{header}` is not of the form NAME: VALUE")))?;
        match name.trim().to_ascii_lowercase().as_str() {
            "host" => question.authority = value.trim().to_owned(),
            name => question.headers.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    if request.http2 && question.is_http() {
        question.protocol = Protocol::Http2;
    }
    question.speaks_tls |= request.tls || request.sni.is_some();
    question.sni.clone_from(&request.sni);
    question.alpn.clone_from(&request.alpn);
    (question.address, question.source) = (request.address, request.source_ip);
    question.world = request::world(request)?;
    Ok(question)
}

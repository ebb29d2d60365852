//! A graph as one HTML file that needs nothing else: the picture, and a script that pans, zooms, searches and explains.
//!
//! Names come from outside. In the picture they are escaped; in the data no `<` stands, and the script puts them into the page
//! as text. A policy in the page forbids it to fetch anything.

use super::json;
use super::picture::{Picture, color};
use super::svg::{self, escaped};
use crate::telemetry::Answer;
use mesh_tui::graph::Health;
use serde_json::{Value, json};

pub fn render(answer: &Answer, picture: &Picture) -> String {
    let graph = &answer.graph;
    let view = picture.view.edges().iter().zip(&picture.titles);
    let edges: Vec<Value> = view
        .map(|(edge, title)| {
            let (from, to) = (picture.nodes[edge.from], picture.nodes[edge.to]);
            let calls = graph.nodes[from].edges.iter().filter(|e| e.to == to);
            json!({"from": edge.from, "to": edge.to, "title": title.split(": ").next(), "calls": calls.map(|e| json::edge(graph, e, edge.from, edge.to)).collect::<Vec<_>>()})
        })
        .collect();
    let nodes: Vec<Value> = picture.nodes.iter().enumerate().map(|(place, node)| json::node(graph, &graph.nodes[*node], place)).collect();
    let data = crate::print::dump::document(json!({"nodes": nodes, "edges": edges}), crate::print::document::Document::Json, crate::context::Compat::Meshctl);
    let problems: String = answer.problems.iter().map(|p| format!("<li>{}</li>", escaped(p))).collect();
    let problems = if problems.is_empty() { String::new() } else { format!("<details><summary>Seen in part</summary><ul>{problems}</ul></details>") };
    let colors = [(Health::Ok, "healthy"), (Health::Degraded, "degraded"), (Health::Failing, "failing"), (Health::Unknown, "not judged")];
    let over = answer.window.map_or_else(String::new, |s| format!(" over {s} s"));
    let (boxes, lines) = (picture.nodes.len(), edges.len());
    let legend: String = colors.iter().map(|(health, word)| format!("<b style=\"background:{}\"></b>{word}", color(*health))).collect();
    let legend = format!("{boxes} boxes, {lines} calls{over}<br>{legend}");
    let picture = svg::render(picture);
    let data = data.replace('<', "\\u003c");
    // One pass: a mark in what comes from outside is not looked for.
    TEMPLATE
        .split('@')
        .map(|piece| match piece {
            "DATA" => data.as_str(),
            "PROBLEMS" => problems.as_str(),
            "LEGEND" => legend.as_str(),
            "SCRIPT" => include_str!("page.js"),
            "SVG" => picture.as_str(),
            other => other,
        })
        .collect()
}

const TEMPLATE: &str = r##"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Mesh graph</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<style>
body{margin:0;font:14px system-ui,sans-serif;display:flex;height:100vh;color:#222}
main{flex:1;overflow:hidden;background:#fff}main svg{width:100%;height:100%;cursor:grab}
aside{width:22em;padding:1em;overflow:auto;border-left:1px solid #c8ccd2;overflow-wrap:anywhere}
input{width:100%;box-sizing:border-box;padding:.4em;font:inherit}dl{display:grid;grid-template-columns:auto 1fr;gap:.2em .8em}dd{margin:0}
.dim{opacity:.15}.node,.edge{cursor:pointer}
.node:hover rect,.edge:hover path:not(.hit){stroke-width:3}.node.chosen rect,.edge.chosen path:not(.hit){stroke-width:4}
.edge .hit{stroke:transparent;stroke-width:14;pointer-events:stroke}.number{white-space:nowrap}
h3{margin:.8em 0 .4em}h4,h5{margin:.8em 0 .3em}code{font-size:12px}
button{display:block;width:100%;margin:.2em 0;padding:.3em .5em;font:inherit;text-align:left;background:#f6f7f9;border:1px solid #c8ccd2;border-radius:4px;cursor:pointer}
.legend{color:#555;font-size:12px}.legend b{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 .8em;border-radius:2px}
</style></head><body>
<script type="application/json" id="data">@DATA@</script>
<main>@SVG@</main>
<aside><input id="search" type="search" placeholder="Search: names" aria-label="Search"><p id="count"></p>
<div id="said"><p>Drag to move, turn the wheel to zoom, double-click to see all. Click a box or a line to have it explained.</p></div>@PROBLEMS@<p class="legend">@LEGEND@</p></aside>
<script>@SCRIPT@</script>
</body></html>
"##;

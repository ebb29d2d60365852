"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const svg = document.querySelector("main svg");
const said = document.getElementById("said");
const whole = svg.getAttribute("viewBox").split(" ").map(Number);
let box = whole.slice();
const show = () => svg.setAttribute("viewBox", box.join(" "));
const scale = () => Math.max(box[2] / svg.clientWidth, box[3] / svg.clientHeight);

svg.addEventListener("wheel", event => {
  event.preventDefault();
  const factor = event.deltaY > 0 ? 1.2 : 1 / 1.2;
  const area = svg.getBoundingClientRect();
  const x = (event.clientX - area.left) / area.width, y = (event.clientY - area.top) / area.height;
  box = [box[0] + box[2] * x * (1 - factor), box[1] + box[3] * y * (1 - factor), box[2] * factor, box[3] * factor];
  show();
}, {passive: false});
let drag = null, moved = false;
svg.addEventListener("pointerdown", event => { drag = [event.clientX, event.clientY]; moved = false; });
addEventListener("pointermove", event => {
  if (!drag) return;
  moved = moved || Math.abs(event.clientX - drag[0]) + Math.abs(event.clientY - drag[1]) > 3;
  if (!moved) return;
  box[0] -= (event.clientX - drag[0]) * scale();
  box[1] -= (event.clientY - drag[1]) * scale();
  drag = [event.clientX, event.clientY];
  show();
});
addEventListener("pointerup", () => { drag = null; });
svg.addEventListener("dblclick", () => { box = whole.slice(); show(); });

function add(parent, tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  parent.append(element);
  return element;
}
function list(parent, pairs) {
  const dl = add(parent, "dl", "");
  for (const [name, value] of pairs) { add(dl, "dt", name); add(dl, "dd", value).classList.toggle("number", /^[0-9]/.test(value)); }
}
function choose(id, title) {
  document.querySelectorAll(".chosen").forEach(e => e.classList.remove("chosen"));
  document.getElementById(id).classList.add("chosen");
  said.replaceChildren();
  add(said, "h3", title);
}
function number(value) { return String(Math.round(value * 1000) / 1000); }

function explainEdge(index) {
  const edge = data.edges[index];
  choose("e" + index, edge.title);
  for (const call of edge.calls) {
    add(said, "h4", call.protocol);
    const pairs = [];
    const unit = call.protocol === "tcp" ? " bytes/s" : "/s";
    pairs.push(["rate", number(call.rate) + unit]);
    for (const [field, name, end] of [["errorPercent", "errors", " %"], ["responseTimeMs", "95th percentile", " ms"], ["throughput", "throughput", " bytes/s"], ["mtlsPercent", "mutual TLS", " %"]])
      if (call[field] !== undefined) pairs.push([name, number(call[field]) + end]);
    for (const [field, name] of [["health", "health"], ["sourcePrincipal", "caller's principal"], ["destinationPrincipal", "callee's principal"]])
      if (call[field]) pairs.push([name, call[field]]);
    list(said, pairs);
    for (const [code, response] of Object.entries(call.responses || {})) {
      add(said, "h5", code === "-" ? "no response code" : "response code " + code);
      list(said, Object.entries(response.flags).map(([flag, rate]) => [flag === "-" ? "no flag" : "flag " + flag, number(rate) + unit])
        .concat(Object.entries(response.hosts).map(([host, rate]) => ["host " + host, number(rate) + unit])));
    }
  }
  const name = node => (node.namespace ? node.namespace + "/" : "") + node.name;
  add(said, "h4", "The series behind it");
  add(said, "code", "meshctl graph --why-edge " + name(data.nodes[edge.from]) + " " + name(data.nodes[edge.to]));
}
function explainNode(index) {
  const node = data.nodes[index];
  choose("n" + index, node.label);
  list(said, Object.entries(node).filter(([name]) => !["id", "label", "name"].includes(name)).map(([name, value]) => [name, String(value)]));
  for (const [heading, mine, other] of [["Called by", "to", "from"], ["Calls", "from", "to"]]) {
    const edges = data.edges.map((edge, place) => [edge, place]).filter(([edge]) => edge[mine] === index);
    if (edges.length) add(said, "h4", heading);
    for (const [edge, place] of edges) {
      const button = add(said, "button", data.nodes[edge[other]].label);
      button.addEventListener("click", () => explainEdge(place));
    }
  }
}
for (const element of document.querySelectorAll(".edge,.node")) {
  const index = Number(element.id.slice(1));
  // What ends a drag is no choice.
  element.addEventListener("click", () => moved || (element.classList.contains("node") ? explainNode(index) : explainEdge(index)));
}
document.getElementById("search").addEventListener("input", event => {
  const word = event.target.value.trim().toLowerCase();
  const hits = data.nodes.map(node => node.label.toLowerCase().includes(word));
  data.nodes.forEach((_, i) => document.getElementById("n" + i).classList.toggle("dim", !hits[i]));
  data.edges.forEach((edge, i) => document.getElementById("e" + i).classList.toggle("dim", !hits[edge.from] && !hits[edge.to]));
  document.getElementById("count").textContent = word ? hits.filter(Boolean).length + " of " + hits.length : "";
});

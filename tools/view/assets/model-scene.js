// What is on the stage: boxes, frames and edges of all open groups, laid out from the inside out.
const kPad = 14, kTitleBar = 36;
const fonts = {title: '600 12px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif', line: '10px system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif'};
const canvas = document.getElementById('canvas'), pen = canvas.getContext('2d');
let scene = {boxes: [], frames: [], edges: [], at: new Map(), w: 0, h: 0};

const widths = new Map();
function textWidth(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    pen.font = fonts[font];
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
}
const cut = (text, most) => text.length > most ? text.slice(0, most - 1) + '…' : text;

function linesOf(item) {
  if (!isGroup(item)) {
    const n = nodes[item], made = n.outputs.find((v) => v >= 0 && values[v].type), lines = [];
    if (made !== undefined) lines.push(cut(values[made].brief, 64));
    if (n.cost[3] >= 64) lines.push(number(n.cost[3]) + ' parameters' + (share(item) >= 0.001 ? ', ' + percent(share(item)) + ' of FLOPs' : ''));
    return lines;
  }
  const g = groupOf(item), lines = [];
  if (g.detail) lines.push(cut(g.detail, 56));
  const facts = [g.nodes + (g.nodes === 1 ? ' node' : ' nodes')];
  if (g.cost[3] >= 64) facts.push(number(g.cost[3]) + ' parameters');
  if (share(item) >= 0.001) facts.push(percent(share(item)) + ' of FLOPs');
  lines.push(facts.join(', '));
  return lines;
}

const closedBoxes = new Map();
function closedBox(item) {
  if (!closedBoxes.has(item)) {
    const title = cut(titleOf(item), 48), lines = linesOf(item);
    const w = Math.max(56, textWidth(title, 'title'), ...lines.map((l) => textWidth(l, 'line'))) + 22;
    closedBoxes.set(item, {item, title, lines, w: Math.ceil(w), h: 20 + 8 + 14 * lines.length});
  }
  return closedBoxes.get(item);
}

// The part of the main graph that an item lies in.
function outermost(item) {
  for (let g = parentOf(item); g > 0; g = groups[g].parent) item = -1 - g;
  return item;
}
const unique = (list) => [...new Set(list)].sort((a, b) => a - b);

// Inputs and outputs of the model: boxes of their own; many that go the same way are one.
function portBoxes() {
  const make = (list, kind, ends) => {
    const alike = new Map();
    list.forEach(([name, v], i) => {
      const inner = ends(v), type = v >= 0 ? values[v].brief : '', key = type + '|' + unique(inner.map(outermost)).join();
      if (!alike.has(key)) alike.set(key, {kind, type, to: [], ports: []});
      const a = alike.get(key);
      a.ports.push({name, v, i});
      a.to = unique([...a.to, ...inner.map(visible)]);
    });
    const out = [];
    for (const a of alike.values()) {
      if (!a.to.length && list.length > 8) continue;
      const parts = a.ports.length > 4 ? [[a.ports, a.to]] : a.ports.map((p) => [[p], unique(ends(p.v).map(visible))]);
      for (const [ports, to] of parts) {
        const title = cut(ports[0].name, 40) + (ports.length > 1 ? ` and ${ports.length - 1} more` : ''), lines = a.type ? [cut(a.type, 64)] : [];
        const w = Math.max(40, textWidth(title, 'title'), ...lines.map((l) => textWidth(l, 'line'))) + 24;
        out.push({item: `${kind}:${ports[0].i}`, port: kind, ports, title, lines, to, w: Math.ceil(w), h: 20 + 8 + 14 * lines.length});
      }
    }
    return out;
  };
  return [make(model.inputs, 'input', (v) => v < 0 ? [] : values[v].readers),
    make(model.outputs, 'output', (v) => v >= 0 && values[v].def >= 0 ? [values[v].def] : [])];
}

function chainOf(item) {  // open groups around a visible item, innermost first
  const chain = [];
  for (let g = typeof item === 'string' ? 0 : parentOf(item); g >= 0; g = groups[g].parent) chain.push(g);
  return chain;
}

function build() {
  const ends = new Map();  // visible edges, each once
  const add = (a, b) => a !== b && ends.set(a + '>' + b, [a, b]);
  const shown = nodes.map((_, i) => visible(i));
  nodes.forEach((n, i) => {
    for (const v of n.inputs) if (v >= 0 && values[v].def >= 0) add(shown[values[v].def], shown[i]);
  });
  groups.forEach((g, i) => {  // bodies stand below the node that runs them
    if (g.owner >= 0 && visible(-1 - i) === -1 - i) add(shown[g.owner], -1 - i);
  });
  const [inputs, outputs] = portBoxes();
  for (const p of inputs) for (const t of p.to) add(p.item, t);
  for (const p of outputs) for (const t of p.to) add(t, p.item);

  // Each open group's own items and edges; borders where an edge leaves or enters.
  const parts = new Map();
  const part = (g) => {
    if (!parts.has(g)) parts.set(g, {edges: [], tops: new Map(), bottoms: new Map(), edgeKeys: new Map()});
    return parts.get(g);
  };
  const routes = [];
  for (const [a, b] of ends.values()) {
    const up = chainOf(a), down = chainOf(b), depth = new Map(up.map((g, i) => [g, i]));
    const j = down.findIndex((g) => depth.has(g)), i = depth.get(down[j]), route = {a, b, pieces: []};
    const once = (g, key, edge) => {
      const p = part(g);
      if (!p.edgeKeys.has(key)) {
        p.edgeKeys.set(key, p.edges.length);
        p.edges.push(edge);
      }
      route.pieces.push([g, p.edgeKeys.get(key)]);
    };
    for (let k = 0; k < i; ++k) {  // out of the groups around a
      const from = k === 0 ? a : -1 - up[k - 1];
      part(up[k]).bottoms.set(a, true);
      once(up[k], 'out' + a, {from, to: 'bottom' + a, exit: k > 0 ? a : null});
    }
    once(down[j], a + '>' + b, {from: i === 0 ? a : -1 - up[i - 1], to: j === 0 ? b : -1 - down[j - 1], exit: i > 0 ? a : null, entry: j > 0 ? b : null});
    for (let k = j - 1; k >= 0; --k) {  // into the groups around b
      part(down[k]).tops.set(b, true);
      once(down[k], 'in' + b, {from: 'top' + b, to: k === 0 ? b : -1 - down[k - 1], entry: k > 0 ? b : null});
    }
    routes.push(route);
  }

  const laid = new Map();
  const order = [0];  // open and seen groups, outer before inner
  for (let i = 0; i < order.length; ++i)
    for (const item of groups[order[i]].items) if (isGroup(item) && open.has(-1 - item)) order.push(-1 - item);
  for (const g of order.reverse()) {
    const p = part(g), boxes = [], place = new Map();
    const put = (key, box) => {
      place.set(key, boxes.length);
      boxes.push(box);
    };
    for (const key of p.tops.keys()) put('top' + key, {w: 4, h: 0, top: true});
    if (g === 0) for (const b of inputs) put(b.item, b);
    for (const item of groups[g].items)
      put(item, isGroup(item) && open.has(-1 - item) ? laid.get(-1 - item).frame : closedBox(item));
    if (g === 0) for (const b of outputs) put(b.item, b);
    for (const key of p.bottoms.keys()) put('bottom' + key, {w: 4, h: 0, bottom: true});
    const dx = (item, border) => {  // where a border of an open group lies, from the group's center
      const inner = laid.get(-1 - item), at = inner && inner.place.get(border);
      return at === undefined ? 0 : inner.layout.x[at] + kPad - inner.frame.w / 2;
    };
    const edges = p.edges.map((e) => ({
      from: place.get(e.from), to: place.get(e.to),
      fromDx: e.exit !== null && e.exit !== undefined ? dx(e.from, 'bottom' + e.exit) : 0,
      toDx: e.entry !== null && e.entry !== undefined ? dx(e.to, 'top' + e.entry) : 0,
    }));
    const layout = layered(boxes, edges), title = groups[g].title, detail = groups[g].detail;
    const w = Math.max(layout.w, g === 0 ? 0 : textWidth(cut(title, 60), 'title') + 30, g === 0 ? 0 : textWidth(cut(detail, 70), 'line') + 10) + 2 * kPad;
    const shift = (w - 2 * kPad - layout.w) / 2;
    for (let i = 0; i < layout.x.length; ++i) layout.x[i] += shift;
    for (const r of layout.routes) for (const q of r) q[0] += shift;
    const bar = g === 0 ? 0 : kTitleBar;
    laid.set(g, {boxes, place, layout, bar, frame: {item: -1 - g, w, h: layout.h + bar + 2 * kPad, frame: true}});
  }

  const next = {boxes: [], frames: [], edges: [], at: new Map(), w: laid.get(0).frame.w, h: laid.get(0).frame.h};
  const origin = new Map([[0, [0, 0]]]);
  for (const g of order.reverse()) {
    const {boxes, layout, bar, frame} = laid.get(g), [x0, y0] = origin.get(g);
    if (g > 0) {
      const box = {...frame, x: x0, y: y0, group: g, title: cut(groups[g].title, 60), lines: [cut(groups[g].detail, 70)]};
      next.frames.push(box);
      next.at.set(-1 - g, box);
    }
    boxes.forEach((b, i) => {
      const x = x0 + kPad + layout.x[i] - b.w / 2, y = y0 + kPad + bar + layout.y[i] - b.h / 2;
      if (b.frame) origin.set(-1 - b.item, [x, y]);
      else if (!b.top && !b.bottom) {
        const box = {...b, x, y};
        next.boxes.push(box);
        next.at.set(b.item, box);
      }
    });
  }
  for (const r of routes) {
    const points = [];
    for (const [g, e] of r.pieces) {
      const [x0, y0] = origin.get(g), {layout, bar} = laid.get(g);
      for (const [x, y] of layout.routes[e]) points.push([x0 + kPad + x, y0 + kPad + bar + y]);
    }
    next.edges.push(edgeOf(r.a, r.b, points));
  }
  scene = next;
}

// A curve through the points; its bounds, so that what is off the stage is not drawn.
function edgeOf(a, b, points) {
  const path = new Path2D();
  let [x, y] = points[0], left = x, right = x, top = y, bottom = y;
  path.moveTo(x, y);
  for (const [nx, ny] of points.slice(1)) {
    const bend = ny > y ? (ny - y) / 2 : 40;
    if (Math.abs(nx - x) < 0.5 && ny >= y) path.lineTo(nx, ny);
    else path.bezierCurveTo(x, y + bend, nx, ny - bend, nx, ny);
    left = Math.min(left, nx);
    right = Math.max(right, nx);
    top = Math.min(top, ny);
    bottom = Math.max(bottom, ny);
    x = nx;
    y = ny;
  }
  return {a, b, path, left, right, top: top - 40, bottom: bottom + 40, end: [x, y]};
}

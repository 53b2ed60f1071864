// What is known of the selected thing. Every string of the model becomes text, never markup.
const panel = document.getElementById('panel');

function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') e.className = value;
    else if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.assign(e.style, value);
    else e.setAttribute(name, value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}
const link = (text, item) => make('button', {class: 'link', onclick: () => choose(item, true)}, text);
const table = (rows) => make('table', {}, make('tbody', {}, ...rows.map(([name, value, num]) =>
  make('tr', {}, make('td', {}, name), make('td', num ? {class: 'num'} : {}, value)))));
const section = (title, ...children) => [make('h3', {}, title), ...children];

function chip(item, name) {
  const {name: text, light, dark} = palettes[name][colorOf(item, name)], [fill, line] = colors.dark ? dark : light;
  return make('span', {class: 'chip', style: {background: fill, borderColor: line}}, text);
}

function trail(item) {
  const parts = [];
  for (let g = parentOf(item); g >= 0; g = groups[g].parent) parts.unshift(link(g === 0 ? 'model' : groups[g].title, -1 - g), ' › ');
  return make('nav', {class: 'trail', 'aria-label': 'parts around'}, ...parts);
}

function costTable(item) {
  const [flops, macs, moved, parameters, weightBytes] = costOf(item), rows = [];
  if (flops) rows.push(['FLOPs', number(flops) + ' (' + percent(share(item)) + ')', true]);
  if (macs) rows.push(['MACs', number(macs), true]);
  if (moved) rows.push(['activations moved', bytes(moved), true]);
  if (parameters) rows.push(['parameters', number(parameters), true], ['weights', bytes(weightBytes), true]);
  if (moved + weightBytes && flops) rows.push(['FLOPs a byte', (flops / (moved + weightBytes)).toPrecision(3), true]);
  return rows.length ? section('cost' + (model.sizes ? ' at ' + model.sizes : ''), table(rows),
    make('div', {class: 'meter', role: 'img', 'aria-label': percent(share(item)) + ' of all FLOPs'}, make('i', {style: {width: percent(share(item))}}))) : [];
}

function histogram(w) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), most = Math.max(...w.bins);
  svg.setAttribute('viewBox', `0 0 ${w.bins.length} 100`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('class', 'histogram');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `histogram of the weights from ${w.low} to ${w.high}`);
  w.bins.forEach((n, i) => {
    const r = document.createElementNS('http://www.w3.org/2000/svg', 'rect'), h = n > 0 ? Math.max(1.5, 100 * n / most) : 0;
    for (const [name, value] of [['x', i + 0.06], ['y', 100 - h], ['width', 0.88], ['height', h]]) r.setAttribute(name, value);
    svg.append(r);
  });
  return svg;
}

const short = (x) => Number(x.toPrecision(4)).toString();
function weightPart(v) {
  const w = model.weights[values[v].weight], parts = [];
  if (w.text) parts.push(make('p', {class: 'mono'}, w.text));
  if (w.bins) {
    parts.push(histogram(w), make('div', {class: 'range'}, make('span', {}, short(w.low)), make('span', {}, short(w.high))));
    parts.push(make('p', {class: 'soft'}, `mean ${short(w.mean)}, deviation ${short(w.deviation)}` + (w.zeros > 0 ? `, ${percent(w.zeros)} zeros` : '') +
      (w.bad > 0 ? `, ${w.bad} not finite` : '') + (w.sampled ? `; of ${number(w.sampled)} samples` : '')));
  }
  return parts;
}

function valuePort(v, label) {
  if (v < 0) return make('div', {class: 'port'}, make('span', {class: 'soft'}, label + 'omitted'));
  const {name, type, def, weight, readers} = values[v];
  const where = label === '' ? null : def >= 0 ? link(nodes[def].op, def) : null;
  return make('div', {class: 'port'}, label ? make('span', {class: 'soft'}, label) : null, name || 'unnamed', where ? ' ← ' : null, where,
    make('span', {class: 'type'}, type || 'type not known'),
    ...(weight >= 0 ? weightPart(v) : []),
    ...(label === '' ? readers.slice(0, 12).map((r) => make('div', {}, '→ ', link(nodes[r].op + '  ' + labelOf(r), r))) : []),
    label === '' && readers.length > 12 ? make('p', {class: 'soft'}, `and ${readers.length - 12} more readers`) : null);
}

function nodePanel(i) {
  const n = nodes[i];
  return [trail(i), make('h2', {}, n.op), n.name ? make('p', {class: 'soft'}, n.name) : null,
    make('div', {}, chip(i, 'role'), chip(i, 'type')),
    n.change ? make('p', {}, chip(i, 'change'), n.change) : null,
    ...(n.attrs.length ? section('attributes', table(n.attrs)) : []),
    ...section('inputs', ...n.inputs.map((v, k) => valuePort(v, `${k} `))),
    ...section('outputs', ...n.outputs.map((v) => valuePort(v, ''))),
    ...costTable(i)];
}

function groupPanel(item) {
  const g = groupOf(item), index = -1 - item, counts = new Map();
  const todo = [...g.items];
  while (todo.length) {
    const at = todo.pop();
    if (isGroup(at)) for (const inner of groupOf(at).items) todo.push(inner);
    else counts.set(nodes[at].op, (counts.get(nodes[at].op) || 0) + 1);
  }
  const ops = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return [index > 0 ? trail(item) : null, make('h2', {}, g.title), g.detail ? make('p', {class: 'soft'}, g.detail) : null,
    index > 0 ? make('p', {}, make('button', {onclick: () => toggle(item)}, open.has(index) ? 'close' : 'open')) : null,
    ...(index === 0 && model.facts.length ? section('model', table(model.facts)) : []),
    ...costTable(item),
    ...section('nodes', table(ops.slice(0, 30).map(([op, n]) => [op, String(n), true])),
      ops.length > 30 ? make('p', {class: 'soft'}, `and ${ops.length - 30} more ops`) : null)];
}

function portPanel(item) {
  const box = scene.at.get(item);
  return [make('h2', {}, box.port === 'input' ? 'input' : 'output', box.ports.length > 1 ? 's' : ''),
    ...box.ports.map((p) => make('div', {class: 'port'}, p.name, make('span', {class: 'type'}, p.v >= 0 ? values[p.v].type : ''),
      ...(p.v >= 0 && box.port === 'input' ? values[p.v].readers.slice(0, 8).map((r) => make('div', {}, '→ ', link(nodes[r].op + '  ' + labelOf(r), r))) : []),
      p.v >= 0 && box.port === 'output' && values[p.v].def >= 0 ? make('div', {}, '← ', link(nodes[values[p.v].def].op, values[p.v].def)) : null))];
}

function fillPanel() {
  const item = selected === null ? -1 : selected;
  const content = typeof item === 'string' ? portPanel(item) : isGroup(item) ? groupPanel(item) : nodePanel(item);
  panel.replaceChildren(...content.filter((c) => c !== null));
  panel.scrollTop = 0;
}

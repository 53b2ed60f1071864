'use strict';
// The model as the page got it, and the tree of its parts. An item is a number: a node i is i, a group g is -1 - g.
const model = JSON.parse(document.getElementById('model').textContent);
const groups = model.groups.map(([parent, kind, title, detail, nodes, cost, colors, items, owner]) =>
  ({parent, kind, title, detail, nodes, cost, colors, items, owner: owner ?? -1}));
const nodes = model.nodes.map(([op, name, home, inputs, outputs, attrs, cost, colors, change]) =>
  ({op: model.ops[op], name, home, inputs, outputs, attrs, cost: cost || [0, 0, 0, 0, 0], colors, change}));
const values = model.values.map(([name, type, def, weight, brief]) =>
  ({name, type, def, weight, brief: brief || type, readers: []}));
nodes.forEach((n, i) => n.inputs.forEach((v) => {
  if (v >= 0 && values[v].readers.at(-1) !== i) values[v].readers.push(i);
}));

const isGroup = (item) => item < 0;
const groupOf = (item) => groups[-1 - item];
const parentOf = (item) => isGroup(item) ? groupOf(item).parent : nodes[item].home;  // a group's index; -1: none
const costOf = (item) => isGroup(item) ? groupOf(item).cost : nodes[item].cost;
const titleOf = (item) => isGroup(item) ? groupOf(item).title : nodes[item].op.replace(/^com\.microsoft\./, '');
const labelOf = (item) => isGroup(item) ? titleOf(item)
  : nodes[item].name || values[nodes[item].outputs.find((v) => v >= 0)]?.name || '';

// Groups that are open. The root always is.
const open = new Set([0]);
function openGroup(g) {
  open.add(g);
  const {kind, items} = groups[g];
  if (kind === 'repeat' && items.length && !items.some((i) => isGroup(i) && open.has(-1 - i))) open.add(-1 - items[0]);
}
function closeGroup(g) {  // what was open inside is so again when it opens
  if (g > 0) open.delete(g);
}
function reveal(item) {
  for (let g = parentOf(item); g >= 0; g = groups[g].parent) open.add(g);
}
// What is drawn for an item: itself, or the closed group around it.
function visible(item) {
  let shown = item;
  for (let g = parentOf(item); g >= 0; g = groups[g].parent) if (!open.has(g)) shown = -1 - g;
  return shown;
}

const number = (x) => {
  for (const unit of ['', ' k', ' M', ' G', ' T', ' P']) {
    if (Math.abs(x) < 1000 || unit === ' P') return (unit === '' ? String(Math.round(x)) : x.toPrecision(3)) + unit;
    x /= 1000;
  }
};
const bytes = (x) => number(x) + (x < 1000 ? ' B' : 'B');
const percent = (x) => (100 * x).toFixed(x < 0.1 ? 1 : 0) + '%';
const share = (item) => model.total[0] > 0 ? costOf(item)[0] / model.total[0] : 0;

const palettes = model.palettes;
const colorNames = Object.keys(palettes);
function colorOf(item, by) {
  if (by === 'cost') return model.costSteps.filter((s) => share(item) >= s).length;
  const colors = isGroup(item) ? groupOf(item).colors : nodes[item].colors;
  return colors[by === 'role' ? 0 : by === 'type' ? 1 : 2];
}

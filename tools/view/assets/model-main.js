// Pointer, keys, search, themes.
const said = document.getElementById('said'), find = document.getElementById('find'), hits = document.getElementById('hits');
const byId = (id) => document.getElementById(id);

function rebuild() {
  build();
  legend();
}
function choose(item, center = false) {
  if (item !== null && typeof item !== 'string') reveal(item);
  rebuild();
  selected = item === -1 ? null : item;
  fillPanel();
  if (selected !== null) {
    show(selected, center);
    const box = scene.at.get(selected);
    said.textContent = box ? [box.title, labelOf2(selected), ...box.lines].filter(Boolean).join(', ') : '';
  }
  repaint();
}
const labelOf2 = (item) => typeof item === 'string' || isGroup(item) ? '' : labelOf(item);

function toggle(item) {
  if (item === null || typeof item === 'string' || !isGroup(item) || item === -1) return;
  const before = scene.at.get(item), g = -1 - item;
  if (open.has(g)) closeGroup(g);
  else openGroup(g);
  rebuild();
  const after = scene.at.get(item);
  if (before && after) {  // stays where it was on the screen
    view.x += (before.x + before.w / 2 - after.x - after.w / 2) * view.scale;
    view.y += (before.y - after.y) * view.scale;
  }
  choose(item);
  said.textContent = `${titleOf(item)}, ${open.has(g) ? 'open' : 'closed'}`;
}

function openAll(all) {
  for (let g = 1; g < groups.length; ++g)
    if (all) open.add(g);
    else open.delete(g);
  if (!all && selected !== null && typeof selected !== 'string') selected = visible(selected);
  rebuild();
  fillPanel();
  fit();
}

// From a box to the nearest one that is joined to it, or beside it.
function step(key) {
  const from = selected === null ? null : scene.at.get(selected);
  if (!from) {
    choose(scene.boxes[0]?.item ?? null);
    return;
  }
  const x = from.x + from.w / 2, near = (list) => list.map((i) => scene.at.get(i)).filter(Boolean)
    .sort((a, b) => Math.abs(a.x + a.w / 2 - x) - Math.abs(b.x + b.w / 2 - x) || a.y - b.y)[0];
  let to;
  if (key === 'ArrowDown') to = near(scene.edges.filter((e) => e.a === selected).map((e) => e.b));
  else if (key === 'ArrowUp') to = near(scene.edges.filter((e) => e.b === selected).map((e) => e.a));
  else {
    const sign = key === 'ArrowRight' ? 1 : -1, y = from.y + from.h / 2;
    to = scene.boxes.filter((b) => sign * (b.x + b.w / 2 - x) > 1 && b.y < from.y + from.h + 30 && b.y + b.h > from.y - 30)
      .sort((a, b) => Math.abs(a.x + a.w / 2 - x) + 3 * Math.abs(a.y + a.h / 2 - y) - Math.abs(b.x + b.w / 2 - x) - 3 * Math.abs(b.y + b.h / 2 - y))[0];
  }
  if (!to && from.frame && key === 'ArrowDown') to = scene.boxes.find((b) => typeof b.item !== 'string' && parentOf(b.item) === from.group);
  if (to) choose(to.item);
}

// ---- search
const words = [];
groups.forEach((g, i) => i > 0 && words.push({item: -1 - i, title: g.title, note: g.detail, text: (g.title + ' ' + g.detail).toLowerCase()}));
nodes.forEach((n, i) => words.push({item: i, title: n.op, note: n.name || labelOf(i),
  text: (n.op + ' ' + n.name + ' ' + n.outputs.filter((v) => v >= 0).map((v) => values[v].name).join(' ') + ' ' + n.inputs.filter((v) => v >= 0 && values[v].weight >= 0).map((v) => values[v].name).join(' ')).toLowerCase()}));
let found = [], at = -1;

function search() {
  const want = find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  found = want.length ? words.filter((w) => want.every((x) => w.text.includes(x))) : [];
  at = found.length ? 0 : -1;
  const most = 60, rows = found.slice(0, most).map((w, i) =>
    make('li', {role: 'option', id: 'hit' + i, 'aria-selected': String(i === at), onpointerdown: (e) => { e.preventDefault(); go(i); }}, make('b', {}, w.title), make('span', {}, w.note)));
  if (want.length) rows.push(make('li', {class: 'none', role: 'presentation'}, found.length === 0 ? 'nothing found' : found.length > most ? `and ${found.length - most} more` : `${found.length} found`));
  hits.replaceChildren(...rows);
  hits.hidden = want.length === 0;
  find.setAttribute('aria-expanded', String(!hits.hidden));
  mark();
}
function mark() {
  [...hits.children].forEach((e, i) => e.id && e.setAttribute('aria-selected', String(i === at)));
  const now = byId('hit' + at);
  now?.scrollIntoView({block: 'nearest'});
  if (now) find.setAttribute('aria-activedescendant', now.id);
  else find.removeAttribute('aria-activedescendant');
}
function go(i) {
  if (!found[i]) return;
  at = i;
  hits.hidden = true;
  find.setAttribute('aria-expanded', 'false');
  choose(found[i].item, true);
  canvas.focus();
}
find.addEventListener('input', search);
find.addEventListener('focus', () => { if (find.value.trim()) search(); });
find.addEventListener('blur', () => { hits.hidden = true; });
find.addEventListener('keydown', (e) => {
  const last = Math.min(found.length, 60) - 1;
  if (e.key === 'ArrowDown') at = Math.min(at + 1, last);
  else if (e.key === 'ArrowUp') at = Math.max(at - 1, 0);
  else if (e.key === 'Enter') return go(at);
  else if (e.key === 'Escape') {
    find.value = '';
    search();
    return canvas.focus();
  } else return;
  e.preventDefault();
  mark();
});

// ---- pointer
let drag = null;
const pointers = new Map();
canvas.addEventListener('pointerdown', (e) => {
  canvas.setPointerCapture(e.pointerId);
  pointers.set(e.pointerId, [e.clientX, e.clientY]);
  drag = {x: e.clientX, y: e.clientY, moved: false};
});
canvas.addEventListener('pointermove', (e) => {
  if (!pointers.has(e.pointerId)) {
    const over = hit(e.clientX, e.clientY);
    if (over !== hovered) {
      hovered = over;
      canvas.classList.toggle('over', over !== null);
      repaint();
    }
    return;
  }
  const [px, py] = pointers.get(e.pointerId);
  if (pointers.size === 2) {  // two fingers
    const other = [...pointers].find(([id]) => id !== e.pointerId)[1], box = canvas.getBoundingClientRect();
    const far = (x, y) => Math.hypot(x - other[0], y - other[1]);
    zoom(far(e.clientX, e.clientY) / Math.max(1, far(px, py)), other[0] - box.left, other[1] - box.top);
    drag.moved = true;
  } else if (drag && (drag.moved || Math.hypot(e.clientX - drag.x, e.clientY - drag.y) > 3)) {
    drag.moved = true;
    canvas.classList.add('drag');
    view.x += e.clientX - px;
    view.y += e.clientY - py;
    repaint();
  }
  pointers.set(e.pointerId, [e.clientX, e.clientY]);
});
for (const end of ['pointerup', 'pointercancel'])
  canvas.addEventListener(end, (e) => {
    pointers.delete(e.pointerId);
    canvas.classList.remove('drag');
    if (end === 'pointerup' && drag && !drag.moved) {
      selected = hit(e.clientX, e.clientY);
      fillPanel();
      repaint();
    }
    if (pointers.size === 0) drag = null;
  });
canvas.addEventListener('dblclick', (e) => toggle(hit(e.clientX, e.clientY)));
canvas.addEventListener('wheel', (e) => {
  e.preventDefault();
  const box = canvas.getBoundingClientRect(), unit = e.deltaMode === 1 ? 16 : 1;
  if (e.ctrlKey || !e.shiftKey && e.deltaX === 0) zoom(Math.exp(-e.deltaY * unit * 0.0015), e.clientX - box.left, e.clientY - box.top);
  else {
    view.x -= (e.deltaX || e.deltaY) * unit;
    repaint();
  }
}, {passive: false});

// ---- keys
function theme() {
  const root = document.documentElement;
  root.dataset.theme = colors.dark ? 'light' : 'dark';
  restyle();
}
function restyle() {
  readColors();
  legend();
  fillPanel();
  repaint();
}
function setColor(name) {
  by = name;
  byId('color').value = name;
  restyle();
}
function legend() {
  const used = new Set([...scene.boxes.filter((b) => !b.port).map((b) => colorOf(b.item, by))]);
  byId('legend').replaceChildren(...palettes[by].filter((_, i) => used.has(i)).map(({name, light, dark}) => {
    const [fill, line] = colors.dark ? dark : light;
    return make('span', {style: {background: fill, borderColor: line}}, name);
  }));
}
document.addEventListener('keydown', (e) => {
  if (e.target === find || e.target.tagName === 'SELECT' || byId('keys').open || e.ctrlKey || e.metaKey || e.altKey) return;
  const stage = e.target === canvas || e.target === document.body;
  if (e.key === '/') find.focus(), find.select();
  else if (e.key === '?') byId('keys').showModal();
  else if (e.key === 't') theme();
  else if (e.key === 'c') setColor(colorNames[(colorNames.indexOf(by) + 1) % colorNames.length]);
  else if (e.key === '+' || e.key === '=') zoom(1.25);
  else if (e.key === '-') zoom(0.8);
  else if (e.key === '0') fit();
  else if (!stage) return;
  else if (e.key.startsWith('Arrow')) step(e.key);
  else if (e.key === 'Enter' || e.key === ' ') toggle(selected);
  else if (e.key === '*') openAll(true);
  else if (e.key === 'Backspace') openAll(false);
  else if (e.key === 'Escape') choose(selected === null || typeof selected === 'string' || parentOf(selected) < 1 ? -1 : -1 - parentOf(selected));
  else return;
  e.preventDefault();
});
byId('theme').addEventListener('click', theme);
byId('help').addEventListener('click', () => byId('keys').showModal());
byId('open').addEventListener('click', () => openAll(true));
byId('close').addEventListener('click', () => openAll(false));
byId('fit').addEventListener('click', () => fit());
byId('less').addEventListener('click', () => zoom(0.8));
byId('more').addEventListener('click', () => zoom(1.25));
byId('color').append(...colorNames.map((name) => make('option', {value: name}, 'color: ' + name)));
byId('color').addEventListener('change', (e) => setColor(e.target.value));
matchMedia('(prefers-color-scheme:dark)').addEventListener('change', restyle);
new ResizeObserver(repaint).observe(canvas);

document.title = byId('title').textContent = model.title;
byId('facts').textContent = model.subtitle;
readColors();
build();
setColor(model.color);
fit();

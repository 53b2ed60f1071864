// The stage: what is in sight is painted, nothing else. Colors come from the page's style, so themes change both.
const view = {x: 0, y: 0, scale: 1};
let selected = null, hovered = null, by = model.color, asked = false, colors = {};
const titleFont = fonts.title, lineFont = fonts.line, kLeastScale = 0.002;

function readColors() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ['page', 'ink', 'soft', 'line', 'card', 'pill', 'edge', 'focus']) colors[name] = style.getPropertyValue('--' + name).trim();
  colors.dark = style.getPropertyValue('--dark').trim() === '1';
}
const swatch = (item) => palettes[by][colorOf(item, by)][colors.dark ? 'dark' : 'light'];

function paint() {
  asked = false;
  const ratio = devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colors.page;
  pen.fillRect(0, 0, w, h);
  pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  const left = -view.x / view.scale, top = -view.y / view.scale, right = left + w / view.scale, bottom = top + h / view.scale;
  const seen = (b) => b.x < right && b.x + b.w > left && b.y < bottom && b.y + b.h > top;
  for (const f of scene.frames) if (seen(f)) paintFrame(f);
  paintEdges((e) => e.left < right && e.right > left && e.top < bottom && e.bottom > top);
  for (const b of scene.boxes) if (seen(b)) paintBox(b);
  const box = selected === null ? null : scene.at.get(selected);
  if (box) {
    pen.strokeStyle = colors.focus;
    pen.lineWidth = Math.max(2.5, 2 / view.scale);
    round(box.x - 3, box.y - 3, box.w + 6, box.h + 6, 9);
    pen.stroke();
  }
}
function repaint() {
  if (!asked) requestAnimationFrame(paint);
  asked = true;
}

function round(x, y, w, h, r) {
  pen.beginPath();
  pen.roundRect(x, y, w, h, r);
}

function paintFrame(f) {
  const [, line] = swatch(f.item);
  round(f.x, f.y, f.w, f.h, 10);
  pen.fillStyle = colors.card;
  pen.fill();
  pen.strokeStyle = f.item === hovered ? colors.soft : by === 'role' && groupOf(f.item).colors[0] === 0 ? colors.line : line;
  pen.lineWidth = 1.2;
  pen.stroke();
  if (view.scale < 0.3) return;
  pen.textAlign = 'left';
  pen.fillStyle = colors.ink;
  pen.font = titleFont;
  pen.fillText(f.title, f.x + 14, f.y + 20);
  pen.font = lineFont;
  pen.fillStyle = colors.soft;
  pen.fillText(f.lines[0], f.x + 14, f.y + 34);
}

function paintBox(b) {
  const [fill, line] = b.port ? [colors.pill, colors.edge] : swatch(b.item);
  round(b.x, b.y, b.w, b.h, b.port ? b.h / 2 : 6);
  pen.fillStyle = view.scale > 0.3 ? fill : line;  // from afar the stronger color
  pen.fill();
  pen.strokeStyle = b.item === hovered ? colors.ink : line;
  pen.lineWidth = 1.2;
  if (view.scale > 0.15) pen.stroke();
  if (!b.port && isGroup(b.item) && view.scale > 0.3) {  // a second edge below: there is more inside
    pen.beginPath();
    pen.moveTo(b.x + 8, b.y + b.h + 3);
    pen.lineTo(b.x + b.w - 8, b.y + b.h + 3);
    pen.stroke();
  }
  if (view.scale < 0.3) return;
  pen.textAlign = 'center';
  pen.fillStyle = colors.ink;
  pen.font = titleFont;
  pen.fillText(b.title, b.x + b.w / 2, b.y + 18);
  pen.font = lineFont;
  pen.globalAlpha = 0.78;  // of the ink: readable on every color
  b.lines.forEach((l, i) => pen.fillText(l, b.x + b.w / 2, b.y + 32 + 14 * i));
  pen.globalAlpha = 1;
}

function paintEdges(seen) {
  const touches = (e) => selected !== null && (e.a === selected || e.b === selected);
  for (const strong of [false, true]) {
    pen.strokeStyle = pen.fillStyle = strong ? colors.focus : colors.edge;
    pen.lineWidth = Math.max(strong ? 2 : 1.1, 0.5 / view.scale);
    for (const e of scene.edges) {
      if (touches(e) !== strong || !seen(e)) continue;
      pen.stroke(e.path);
      if (view.scale < 0.3) continue;
      const [x, y] = e.end;
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(x - 3.5, y - 7);
      pen.lineTo(x + 3.5, y - 7);
      pen.fill();
    }
  }
}

// The innermost thing at a point of the page.
function hit(px, py) {
  const box = canvas.getBoundingClientRect(), x = (px - box.left - view.x) / view.scale, y = (py - box.top - view.y) / view.scale;
  const inside = (b) => x >= b.x && x <= b.x + b.w && y >= b.y && y <= b.y + b.h;
  return scene.boxes.find(inside)?.item ?? scene.frames.findLast(inside)?.item ?? null;
}

function zoom(factor, px = canvas.clientWidth / 2, py = canvas.clientHeight / 2) {
  const scale = Math.min(3, Math.max(kLeastScale, view.scale * factor)), f = scale / view.scale;
  view.x = px - (px - view.x) * f;
  view.y = py - (py - view.y) * f;
  view.scale = scale;
  repaint();
}

function fit(most = 1.25) {
  const w = canvas.clientWidth, h = canvas.clientHeight;
  view.scale = Math.min(most, Math.max(kLeastScale, Math.min((w - 40) / scene.w, (h - 40) / scene.h)));
  view.x = (w - scene.w * view.scale) / 2;
  view.y = (h - scene.h * view.scale) / 2;
  repaint();
}

// Brings a box into sight, in reading size.
function show(item, center = true) {
  const b = scene.at.get(item);
  if (!b) return;
  const w = canvas.clientWidth, h = canvas.clientHeight;
  if (center) {
    if (view.scale < 0.6) view.scale = 1;
    view.x = w / 2 - (b.x + b.w / 2) * view.scale;
    view.y = h / 2 - (b.y + Math.min(b.h, h / view.scale / 2) / 2) * view.scale;
  } else {
    const x = b.x * view.scale + view.x, y = b.y * view.scale + view.y, bw = b.w * view.scale, bh = b.h * view.scale, edge = 60;
    if (x < edge) view.x += edge - x;
    else if (x + bw > w - edge) view.x -= Math.min(x - edge, x + bw - w + edge);
    if (y < edge) view.y += edge - y;
    else if (y + bh > h - edge) view.y -= Math.min(y - edge, y + bh - h + edge);
  }
  repaint();
}

// Layered layout of one group (Sugiyama): ranks by longest path, a lane for every edge that passes a rank, order by
// barycenters, places by isotonic regression. boxes: [{w, h, top?, bottom?}] in execution order; top and bottom are
// the group's own borders. edges: [{from, to, fromDx, toDx}]: Dx is where an edge meets its box, from the center.
const kRankGap = 34, kGap = 20, kMostLanes = 30000;
// Not Math.max(...list): a call takes some ten thousand arguments only.
const most = (list, least) => list.reduce((a, b) => a > b ? a : b, least);

// An order with few edges against it: none where there is no cycle (Eades, Lin, Smyth: a fast and effective heuristic
// for the feedback arc set problem, 1993).
function sequence(n, edges) {
  const out = Array.from({length: n}, () => []), into = Array.from({length: n}, () => []);
  for (const e of edges) {
    out[e.from].push(e.to);
    into[e.to].push(e.from);
  }
  const outs = out.map((l) => l.length), ins = into.map((l) => l.length), gone = new Uint8Array(n), first = [], last = [];
  const sources = [], sinks = [];
  for (let i = n; i-- > 0;) if (ins[i] === 0) sources.push(i);
  for (let i = 0; i < n; ++i) if (outs[i] === 0) sinks.push(i);
  const take = (v) => {
    gone[v] = 1;
    for (const w of out[v]) if (--ins[w] === 0 && !gone[w]) sources.push(w);
    for (const w of into[v]) if (--outs[w] === 0 && !gone[w]) sinks.push(w);
  };
  for (let left = n; left > 0;) {
    let v = sources.length ? sources.pop() : -1;
    if (v < 0 && sinks.length) {
      v = sinks.pop();
      if (!gone[v]) {
        last.push(v);
        take(v);
        --left;
      }
      continue;
    }
    if (v < 0) {
      for (let i = 0; i < n; ++i) if (!gone[i] && (v < 0 || outs[i] - ins[i] > outs[v] - ins[v])) v = i;
    }
    if (gone[v]) continue;
    first.push(v);
    take(v);
    --left;
  }
  const at = new Int32Array(n);
  first.concat(last.reverse()).forEach((v, i) => (at[v] = i));
  return at;
}

function ranks(boxes, edges) {
  const n = boxes.length, rank = new Int32Array(n), into = Array.from({length: n}, () => []), has = new Uint8Array(n);
  const at = sequence(n, edges), order = [...at.keys()].sort((a, b) => at[a] - at[b]);
  for (const e of edges) {
    if (at[e.from] < at[e.to]) into[e.to].push(e.from);
    has[e.to] = 1;
  }
  let last = 0;
  for (const i of order) {
    for (const f of into[i]) rank[i] = Math.max(rank[i], rank[f] + 1);
    last = Math.max(last, rank[i]);
  }
  const near = new Int32Array(n).fill(last + 1);  // sources stand right above their first reader
  for (const e of edges) if (at[e.from] < at[e.to]) near[e.from] = Math.min(near[e.from], rank[e.to]);
  for (let i = 0; i < n; ++i) {
    if (!has[i] && !boxes[i].top && near[i] <= last) rank[i] = Math.max(0, near[i] - 1);
  }
  for (let i = 0; i < n; ++i) if (boxes[i].bottom) rank[i] = last + 1;
  const used = [...new Set(rank)].sort((a, b) => a - b), place = new Map(used.map((r, i) => [r, i]));
  return rank.map((r) => place.get(r));
}

function crossings(rows, down, pos) {
  let sum = 0;
  for (const row of rows) {
    const ends = [];
    for (const v of row) for (const e of down[v].map((w) => pos[w]).sort((a, b) => a - b)) ends.push(e);
    if (ends.length < 2) continue;
    const size = most(ends, 0) + 2, tree = new Int32Array(size + 1);
    ends.forEach((e, i) => {
      let below = 0;
      for (let k = e + 1; k > 0; k -= k & -k) below += tree[k];
      sum += i - below;
      for (let k = e + 1; k <= size; k += k & -k) ++tree[k];
    });
  }
  return sum;
}

// Least squares under x[i + 1] - x[i] >= room[i]: pool adjacent violators.
function settle(want, weight, room) {
  const blocks = [];
  let offset = 0;
  const offsets = want.map((_, i) => (offset += i > 0 ? room[i - 1] : 0));
  for (let i = 0; i < want.length; ++i) {
    let b = {sum: weight[i] * (want[i] - offsets[i]), weight: weight[i], count: 1};
    while (blocks.length && blocks.at(-1).sum / blocks.at(-1).weight >= b.sum / b.weight) {
      const a = blocks.pop();
      b = {sum: a.sum + b.sum, weight: a.weight + b.weight, count: a.count + b.count};
    }
    blocks.push(b);
  }
  const x = [];
  for (const b of blocks) for (let k = 0; k < b.count; ++k) x.push(b.sum / b.weight + offsets[x.length]);
  return x;
}

function layered(boxes, edges) {
  const real = boxes.length, rank = [...ranks(boxes, edges)], width = boxes.map((b) => b.w);
  let lanes = 0;
  for (const e of edges) lanes += Math.max(0, rank[e.to] - rank[e.from] - 1);
  const direct = lanes > kMostLanes;  // too many: edges go straight
  const up = boxes.map(() => []), down = boxes.map(() => []), chains = [];
  const link = (a, b, dx) => {
    down[a].push(b);
    up[b].push(a);
    dxs.set(a * 0x200000 + b, dx);
  };
  const dxs = new Map();
  for (const e of edges) {
    const chain = [e.from];
    if (rank[e.from] < rank[e.to] && (!direct || rank[e.to] - rank[e.from] < 4)) {
      for (let r = rank[e.from] + 1; r < rank[e.to]; ++r) {
        rank.push(r);
        width.push(2);
        up.push([]);
        down.push([]);
        chain.push(rank.length - 1);
      }
      chain.push(e.to);
      for (let i = 1; i < chain.length; ++i)
        link(chain[i - 1], chain[i], (i === 1 ? e.fromDx || 0 : 0) - (i === chain.length - 1 ? e.toDx || 0 : 0));
    } else {
      chain.push(e.to);
    }
    chains.push(chain);
  }
  const count = rank.length, height = most(rank, -1) + 1;
  let rows = Array.from({length: height}, () => []);
  const seen = new Uint8Array(count);  // first order: depth first, so that what hangs together stays together
  for (let i = 0; i < real; ++i) {
    const todo = [i];
    while (todo.length) {
      const v = todo.pop();
      if (seen[v]) continue;
      seen[v] = 1;
      rows[rank[v]].push(v);
      for (let k = down[v].length; k-- > 0;) todo.push(down[v][k]);
    }
  }
  const pos = new Int32Array(count);
  const number = () => rows.forEach((row) => row.forEach((v, i) => (pos[v] = i)));
  number();
  let best = crossings(rows, down, pos), kept = rows.map((r) => [...r]);
  const sweeps = count > 6000 ? 4 : 12;
  for (let s = 0; s < sweeps && best > 0; ++s) {
    const toward = s % 2 === 0 ? up : down;
    for (let k = 0; k < height; ++k) {
      const row = rows[s % 2 === 0 ? k : height - 1 - k], key = new Map();
      row.forEach((v, i) => key.set(v, toward[v].length ? toward[v].reduce((t, w) => t + pos[w], 0) / toward[v].length : i));
      row.sort((a, b) => key.get(a) - key.get(b) || pos[a] - pos[b]);
      row.forEach((v, i) => (pos[v] = i));
    }
    const now = crossings(rows, down, pos);
    if (now < best) {
      best = now;
      kept = rows.map((r) => [...r]);
    }
  }
  rows = kept;
  number();

  const x = new Float64Array(count), lane = (v) => v >= real;
  const room = rows.map((row) => row.slice(1).map((v, i) =>
    (width[row[i]] + width[v]) / 2 + (lane(v) || lane(row[i]) ? kGap * 0.6 : kGap)));
  rows.forEach((row, r) => {
    let at = 0;
    row.forEach((v, i) => {
      at += i > 0 ? room[r][i - 1] : 0;
      x[v] = at;
    });
    const middle = at / 2;
    for (const v of row) x[v] -= middle;
  });
  const dx = (a, b) => dxs.get(a * 0x200000 + b) || 0;
  const passes = count > 6000 ? 6 : 16;
  for (let p = 0; p < passes; ++p) {
    const both = p >= passes - 4;
    for (let k = 0; k < height; ++k) {
      const r = p % 2 === 0 ? k : height - 1 - k, row = rows[r];
      const want = [], weight = [];
      for (const v of row) {
        let sum = 0, total = 0;
        const pull = (w, at) => {
          // Lanes are straight, and what boxes hand on is straighter than what comes from afar.
          const much = lane(v) && lane(w) ? 8 : lane(v) || lane(w) ? 0.5 : boxes[v].top || boxes[w].top ? 0.5 : 4;
          sum += much * at;
          total += much;
        };
        if (both || p % 2 === 0) for (const w of up[v]) pull(w, x[w] + dx(w, v));
        if (both || p % 2 === 1) for (const w of down[v]) pull(w, x[w] - dx(v, w));
        want.push(total > 0 ? sum / total : x[v]);
        weight.push(total > 0 ? total : 0.01);
      }
      settle(want, weight, room[r]).forEach((at, i) => (x[row[i]] = at));
    }
  }

  const tops = [], bottoms = [];
  let y = 0;
  rows.forEach((row, r) => {
    const h = most(row.map((v) => lane(v) ? 0 : boxes[v].h), 0);
    tops[r] = y;
    bottoms[r] = y + h;
    y += h + kRankGap;
  });
  let left = Infinity, right = -Infinity;
  for (let v = 0; v < count; ++v) {
    left = Math.min(left, x[v] - width[v] / 2);
    right = Math.max(right, x[v] + width[v] / 2);
  }
  if (count === 0) left = right = 0;
  for (let v = 0; v < count; ++v) x[v] -= left;
  const middle = (v) => (tops[rank[v]] + bottoms[rank[v]]) / 2;
  const routes = edges.map((e, i) => {
    const a = e.from, b = e.to, points = [[x[a] + (e.fromDx || 0), middle(a) + boxes[a].h / 2]];
    for (const v of chains[i].slice(1, -1)) points.push([x[v], tops[rank[v]]], [x[v], bottoms[rank[v]]]);
    points.push([x[b] + (e.toDx || 0), middle(b) - boxes[b].h / 2]);
    return points;
  });
  return {w: right - left, h: Math.max(0, y - kRankGap), x: [...x.slice(0, real)], y: boxes.map((_, v) => middle(v)), routes};
}

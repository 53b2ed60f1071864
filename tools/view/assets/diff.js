'use strict';
// Search, the bars beside the sections, sorting, keys.
const all = (query, inside = document) => [...inside.querySelectorAll(query)], root = document.documentElement;
const find = document.getElementById('find'), found = document.getElementById('found');
const sections = all('main section'), groups = all('section.group'), bars = document.querySelector('aside svg');
let now = -1;

function light(group) {
  bars.classList.toggle('focus', group !== null);
  all('.band,.tick', bars).forEach((e) => e.classList.toggle('hot', e.dataset.group === group));
}
function go(i) {
  const seen = sections.filter((s) => !s.classList.contains('hidden'));
  if (!seen.length) return;
  now = (i + seen.length) % seen.length;
  sections.forEach((s) => s.classList.remove('on'));
  const s = seen[now];
  s.classList.add('on');
  s.focus({preventScroll: true});
  s.scrollIntoView({block: 'start'});
  light(s.dataset.group ?? null);
}
bars.addEventListener('mouseover', (e) => light(e.target.dataset.group ?? null));
bars.addEventListener('mouseleave', () => light(null));
bars.addEventListener('click', (e) => {
  const at = sections.filter((s) => !s.classList.contains('hidden')).findIndex((s) => s.dataset.group === e.target.dataset.group);
  if (e.target.dataset.group !== undefined && at >= 0) go(at);
});
groups.forEach((s) => {
  s.addEventListener('mouseenter', () => light(s.dataset.group));
  s.addEventListener('mouseleave', () => light(null));
});

function search() {
  const want = find.value.trim().toLowerCase(), has = (e) => e.textContent.toLowerCase().includes(want);
  let hits = 0;
  all('.place').forEach((p) => {
    const hidden = want !== '' && !has(p);
    p.classList.toggle('hidden', hidden);
    hits += hidden ? 0 : 1;
  });
  all('section.group,#changed,#values,#weights').forEach((s) => {
    const inside = all('.place:not(.hidden)', s).length;
    s.classList.toggle('hidden', want !== '' && !inside && !has(s.querySelector('h2')));
    all('details', s).forEach((d) => {
      if (want && all('.place:not(.hidden)', d).length) d.open = true;
    });
  });
  found.textContent = want === '' ? '' : hits === 0 ? 'nothing found' : `${hits} found`;
}
find.addEventListener('input', search);

function theme() {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
}
document.getElementById('theme').addEventListener('click', theme);
document.addEventListener('keydown', (e) => {
  if (e.target === find) {
    if (e.key === 'Escape') {
      find.value = '';
      search();
      find.blur();
    } else if (e.key === 'Enter') go(0);
    return;
  }
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === '/') {
    e.preventDefault();
    find.focus();
    find.select();
  } else if (e.key === 'j') go(now + 1);
  else if (e.key === 'k') go(now - 1);
  else if (e.key === 't') theme();
});

all('table.sortable').forEach((t) => all('th', t).forEach((th, i) => {
  let up = false;
  const value = (row) => {
    const c = row.cells[i];
    return c === undefined ? -1 : c.dataset.v !== undefined ? +c.dataset.v : c.textContent;
  };
  const sort = () => {
    up = !up;
    all('th', t).forEach((other) => other.removeAttribute('aria-sort'));
    th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const body = t.tBodies[0];
    [...body.rows].sort((a, b) => {
      const x = value(a), y = value(b);
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    }).forEach((row) => body.append(row));
  };
  th.tabIndex = 0;
  th.addEventListener('click', sort);
  th.addEventListener('keydown', (e) => {
    if (e.key !== 'Enter' && e.key !== ' ') return;
    e.preventDefault();
    sort();
  });
}));

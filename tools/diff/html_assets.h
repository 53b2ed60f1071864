// Style and script of onnx-diff's page.
#pragma once

namespace lathe::cli {

inline constexpr const char* kPageStyle = R"css(
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:14px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
header{position:sticky;top:0;z-index:2;display:flex;gap:16px;align-items:center;padding:10px 24px;background:var(--page);border-bottom:1px solid var(--line)}
h1{font-size:18px;margin:0;flex:1;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}h2{font-size:15px;margin:0 0 6px}
h2 i{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:9px}h3{font-size:12px;font-weight:600;margin:12px 0 2px;color:var(--soft)}
.tools{display:flex;gap:8px}input,button{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:5px 10px}
input{width:220px}button{cursor:pointer}.cards{display:flex;flex-wrap:wrap;gap:12px;padding:16px 24px 4px}
.card{display:flex;flex-direction:column;padding:10px 16px;background:var(--card);border:1px solid var(--line);border-radius:8px;min-width:150px}
.card b{font-size:19px}.card span{color:var(--soft)}.card small{color:var(--soft)}
main{display:flex;gap:28px;padding:14px 24px 60px;align-items:flex-start}aside{position:sticky;top:64px;width:220px;flex:none}
aside svg{display:block;max-height:calc(100vh - 190px);width:220px}.ab{display:flex;justify-content:space-between;color:var(--soft);padding:0 9px}
.hint{font-size:11.5px;color:var(--soft)}.content{flex:1;min-width:0;max-width:1000px}
section{border:1px solid var(--line);background:var(--card);border-radius:8px;padding:14px 18px;margin-bottom:16px;overflow-x:auto;scroll-margin-top:64px}
section.on{outline:2px solid var(--soft)}.rules{margin:0 0 8px;color:var(--soft);font-size:12px}.panel{display:block;max-width:100%;height:auto;margin:8px auto}
summary{cursor:pointer;color:var(--soft)}pre{margin:0;font:12px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;overflow-x:auto}
code{font:12px ui-monospace,"DejaVu Sans Mono",monospace}.was{color:var(--old-line)}.is{color:var(--new-line)}.soft{color:var(--soft)}
.change b{color:var(--ink)}.change code{color:var(--changed)}table{border-collapse:collapse;width:100%;font-size:12.5px}
th{text-align:left;color:var(--soft);font-weight:500;border-bottom:1px solid var(--line);padding:4px 8px}.sortable th{cursor:pointer}
td{padding:3px 8px;border-bottom:1px solid var(--line);vertical-align:top}td code{word-break:break-all}
.meter{display:block;padding:0 5px;border-radius:3px;background:linear-gradient(90deg,color-mix(in srgb,var(--changed) 35%,transparent) var(--p),transparent 0)}
.meter.old{background:linear-gradient(90deg,var(--old) var(--p),transparent 0)}.meter.new{background:linear-gradient(90deg,var(--new) var(--p),transparent 0)}
.band,.tick{cursor:pointer}.focus .band:not(.hot){opacity:.08}.focus .tick:not(.hot){opacity:.25}.focus .band.hot{opacity:.75}.hidden{display:none!important}
@media(max-width:900px){main{display:block}aside{position:static;width:auto}}
)css";

inline constexpr const char* kPageScript = R"js(
'use strict';
const $=(q,r=document)=>[...r.querySelectorAll(q)],root=document.documentElement,find=document.getElementById('find');
const groups=$('section.group'),bars=document.querySelector('aside svg');let now=-1;
function light(g){bars.classList.toggle('focus',g!==null);$('.band,.tick',bars).forEach(e=>e.classList.toggle('hot',e.dataset.group===g))}
function go(i){const shown=groups.filter(s=>!s.classList.contains('hidden'));if(!shown.length)return;now=(i+shown.length)%shown.length;
groups.forEach(s=>s.classList.remove('on'));shown[now].classList.add('on');shown[now].scrollIntoView({block:'start'});light(shown[now].dataset.group)}
bars.addEventListener('mouseover',e=>light(e.target.dataset.group??null));bars.addEventListener('mouseleave',()=>light(null));
bars.addEventListener('click',e=>{const g=e.target.dataset.group;if(g!==undefined)go(groups.filter(s=>!s.classList.contains('hidden')).findIndex(s=>s.dataset.group===g))});
groups.forEach(s=>{s.addEventListener('mouseenter',()=>light(s.dataset.group));s.addEventListener('mouseleave',()=>light(null))});
find.addEventListener('input',()=>{const want=find.value.trim().toLowerCase();
$('.place').forEach(p=>p.classList.toggle('hidden',want!==''&&!p.textContent.toLowerCase().includes(want)));
groups.forEach(s=>{const hits=$('.place:not(.hidden)',s).length,own=s.querySelector('h2').textContent.toLowerCase().includes(want);
s.classList.toggle('hidden',want!==''&&!hits&&!own);if(want&&hits)s.querySelector('details').open=true})});
function theme(){const dark=root.dataset.theme?root.dataset.theme==='dark':matchMedia('(prefers-color-scheme:dark)').matches;root.dataset.theme=dark?'light':'dark'}
document.getElementById('theme').addEventListener('click',theme);
document.addEventListener('keydown',e=>{if(e.target===find){if(e.key==='Escape'){find.value='';find.dispatchEvent(new Event('input'));find.blur()}return}
if(e.ctrlKey||e.metaKey||e.altKey)return;if(e.key==='/'){e.preventDefault();find.focus()}else if(e.key==='j')go(now+1);else if(e.key==='k')go(now-1);else if(e.key==='t')theme()});
$('table.sortable').forEach(t=>$('th',t).forEach((th,i)=>{let up=false;th.addEventListener('click',()=>{up=!up;
const key=r=>{const c=r.cells[i];return c===undefined?-1:c.dataset.v!==undefined?+c.dataset.v:c.textContent};
const body=t.tBodies[0];[...body.rows].sort((a,b)=>{const x=key(a),y=key(b);return (x<y?-1:x>y?1:0)*(up?1:-1)}).forEach(r=>body.append(r))})}));
)js";

}  // namespace lathe::cli

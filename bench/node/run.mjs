// node run.mjs node|web MODEL FEED.json: runs the model once with onnxruntime-node, or with onnxruntime-web's
// WebAssembly, and prints its outputs as JSON. FEED.json: {name: {type, dims, data}}.
import { readFileSync } from "node:fs";

const [, , kind, model, feedFile] = process.argv;
const ort = await import(kind === "web" ? "onnxruntime-web" : "onnxruntime-node");
if (kind === "web") ort.env.wasm.numThreads = 1;
const feed = {};
for (const [name, t] of Object.entries(JSON.parse(readFileSync(feedFile, "utf8"))))
  feed[name] = new ort.Tensor(t.type, t.type === "int64" ? BigInt64Array.from(t.data, BigInt) : Float32Array.from(t.data), t.dims);
const session = await ort.InferenceSession.create(kind === "web" ? readFileSync(model) : model, { executionProviders: [kind === "web" ? "wasm" : "cpu"] });
const names = new Set(session.inputNames);
const results = await session.run(Object.fromEntries(Object.entries(feed).filter(([name]) => names.has(name))));
const out = {};
for (const [name, t] of Object.entries(results)) out[name] = { type: t.type, dims: t.dims, data: Array.from(t.data, Number) };
console.log(JSON.stringify(out));

// The real filtrex, one JSON line in and one out: node filtrex.cjs DIR, where `npm install filtrex` was run in DIR.
//
// In:  {"expr": text, "payload": any JSON}
// Out: {"kind": "value", "value": …}, {"kind": "compile_error"} or {"kind": "runtime_error", "type": class}
// Numbers that JSON lacks are written as {"$num": "NaN"} and the like.
const { createRequire } = require("node:module");
const { resolve } = require("node:path");
const readline = require("node:readline");

const { compileExpression, useDotAccessOperator } = createRequire(resolve(process.argv[2], "x.js"))("filtrex");

console.warn = () => {}; // it warns of `%` and `?:`

const text = (value) => {
  if (typeof value !== "string") throw new TypeError("needs a text");
  return value;
};
const options = {
  customProp: useDotAccessOperator,
  extraFunctions: {
    lower: (value) => text(value).toLowerCase(),
    upper: (value) => text(value).toUpperCase(),
    includes: (list, value) => {
      if (!Array.isArray(list)) throw new TypeError("needs a list");
      return list.includes(value);
    },
  },
};

function encode(value) {
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { $num: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (Array.isArray(value)) return value.map(encode);
  if (typeof value !== "object" || value === null) return value;
  const written = Object.create(null);
  for (const key of Object.keys(value)) {
    Object.defineProperty(written, key, { value: encode(value[key]), enumerable: true });
  }
  return written;
}

function answer({ expr, payload }) {
  let compiled;
  try {
    compiled = compileExpression(expr, options);
  } catch {
    return { kind: "compile_error" };
  }
  let value;
  try {
    value = compiled({ event: payload });
  } catch (error) {
    value = error;
  }
  if (value instanceof Error) return { kind: "runtime_error", type: value.constructor.name };
  return { kind: "value", value: encode(value) };
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + "\n");
});

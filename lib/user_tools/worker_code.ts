/**
 * The program of the thread one tool of the user's own runs in. JavaScript, because a compiled daemon has no file to
 * start a thread from; docs/user-tools.md has the contract, `messages.ts` what is said to and fro.
 */
export const WORKER_CODE = String.raw`
const runs = new Map(), asked = new Map();
let tool, asks = 0;
const messageOf = (thrown) => thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
const stackOf = (thrown) => thrown instanceof Error ? thrown.stack : undefined;
const say = (message) => postMessage(message);

// What a tool lets go wrong beside its calls must not end the calls.
const stray = (event, thrown) => {
  event.preventDefault();
  say({ kind: "stray", message: messageOf(thrown) });
};
addEventListener("unhandledrejection", (event) => stray(event, event.reason));
addEventListener("error", (event) => stray(event, event.error ?? event.message));

const ask = (id, method, params) =>
  new Promise((resolve, reject) => {
    const ask = ++asks;
    asked.set(ask, { resolve, reject });
    say({ kind: "ask", id, ask, method, params: JSON.parse(JSON.stringify(params ?? {})) });
  });

const contextOf = (id, facts, signal) => ({
  ...facts,
  signal,
  progress: (progress) => {
    const { progress: done, total, message } = typeof progress === "object" ? progress : { progress };
    say({ kind: "progress", id, progress: { progress: Number(done), total, message } });
  },
  log: Object.fromEntries(["debug", "info", "warning", "error"].map((level) => [
    level,
    (...words) => say({ kind: "log", level, text: words.map(String).join(" ") }),
  ])),
  readFile: (path) => ask(id, "readFile", { path: String(path) }),
  ask: (question) => ask(id, "ask", typeof question === "string" ? { prompt: question } : question),
});

const handlers = {
  async load({ url }) {
    try {
      tool = (await import(url)).default;
      if (typeof tool !== "object" || tool === null) {
        throw new TypeError("it has no default export that is an object; write export default { description, run }");
      }
      if (typeof tool.run !== "function") throw new TypeError("its default export has no function run");
      say({ kind: "loaded", text: JSON.stringify(tool) });
    } catch (thrown) {
      say({ kind: "faulty", message: messageOf(thrown) });
    }
  },
  async call({ id, args, facts }) {
    say({ kind: "begun", id });
    const controller = new AbortController();
    runs.set(id, controller);
    try {
      const value = await tool.run(args, contextOf(id, facts, controller.signal));
      say({ kind: "done", id, text: JSON.stringify(value) });
    } catch (thrown) {
      say({ kind: "failed", id, message: messageOf(thrown), stack: stackOf(thrown) });
    } finally {
      runs.delete(id);
    }
  },
  abort({ id, message }) {
    say({ kind: "heard", id });
    runs.get(id)?.abort(new DOMException(message, "AbortError"));
  },
  answer({ ask, text, fault }) {
    const { resolve, reject } = asked.get(ask);
    asked.delete(ask);
    if (fault === undefined) resolve(JSON.parse(text));
    else reject(new Error(fault));
  },
};
addEventListener("message", ({ data }) => handlers[data.kind](data));
`;

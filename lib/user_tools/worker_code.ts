/**
 * The program of a worker that runs one tool of the user. A string of JavaScript, because a compiled daemon has no file
 * to start a worker from. `protocol.ts` has its messages, docs/user-tools.md the contract with the tool.
 */
export const WORKER_CODE = String.raw`
const calls = new Map(), requests = new Map();
let tool, lastRequest = 0;
const messageOf = (thrown) => thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
const stackOf = (thrown) => thrown instanceof Error ? thrown.stack : undefined;
const post = (message) => postMessage(message);

// An uncaught error of a tool must not end its calls.
const handleUncaught = (event, thrown) => {
  event.preventDefault();
  post({ kind: "uncaught", message: messageOf(thrown) });
};
addEventListener("unhandledrejection", (event) => handleUncaught(event, event.reason));
addEventListener("error", (event) => handleUncaught(event, event.error ?? event.message));

const send = (id, method, params) =>
  new Promise((resolve, reject) => {
    const request = ++lastRequest;
    requests.set(request, { resolve, reject });
    post({ kind: "request", id, request, method, params: JSON.parse(JSON.stringify(params ?? {})) });
  });

const contextOf = (id, facts, signal) => ({
  ...facts,
  signal,
  progress: (progress) => {
    const { progress: done, total, message } = typeof progress === "object" ? progress : { progress };
    post({ kind: "progress", id, progress: { progress: Number(done), total, message } });
  },
  log: Object.fromEntries(["debug", "info", "warning", "error"].map((level) => [
    level,
    (...words) => post({ kind: "log", level, text: words.map(String).join(" ") }),
  ])),
  readFile: (path) => send(id, "readFile", { path: String(path) }),
  ask: (question) => send(id, "ask", typeof question === "string" ? { prompt: question } : question),
});

const handlers = {
  async load({ url }) {
    try {
      tool = (await import(url)).default;
      if (typeof tool !== "object" || tool === null) {
        throw new TypeError("it has no default export that is an object; write export default { description, run }");
      }
      if (typeof tool.run !== "function") throw new TypeError("its default export has no function run");
      post({ kind: "loaded", definition: JSON.stringify(tool) });
    } catch (thrown) {
      post({ kind: "load_failed", message: messageOf(thrown) });
    }
  },
  async call({ id, args, facts }) {
    post({ kind: "started", id });
    const controller = new AbortController();
    calls.set(id, controller);
    try {
      const value = await tool.run(args, contextOf(id, facts, controller.signal));
      post({ kind: "succeeded", id, result: JSON.stringify(value) });
    } catch (thrown) {
      post({ kind: "failed", id, message: messageOf(thrown), stack: stackOf(thrown) });
    } finally {
      calls.delete(id);
    }
  },
  abort({ id, message }) {
    post({ kind: "abort_received", id });
    calls.get(id)?.abort(new DOMException(message, "AbortError"));
  },
  response({ request, result, error }) {
    const { resolve, reject } = requests.get(request);
    requests.delete(request);
    if (error === undefined) resolve(JSON.parse(result));
    else reject(new Error(error));
  },
};
addEventListener("message", ({ data }) => handlers[data.kind](data));
`;

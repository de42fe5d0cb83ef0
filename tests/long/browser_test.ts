import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { findChromium, openInChromium, showInChromium } from "../helpers/chromium.ts";

const chromium = findChromium();
const ignore = chromium === undefined;
const reason = ignore ? " (ignored: no Chromium on this machine)" : "";

/** What a hostile page tries with a daemon on `port` of the host it is told. */
function hostilePage(host: string): string {
  const attempts = `
    const text = { method: "POST", headers: { "content-type": "text/plain" } };
    const initialize = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: {
      protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "page", version: "1" } } });
    const read = async (url, init) => (await fetch(url, init)).status;
    const socket = (url, protocols) => new Promise((resolve) => {
      const ws = new WebSocket(url, protocols);
      ws.onopen = () => ws.send(JSON.stringify({ op: "hello" }));
      ws.onmessage = ({ data }) => resolve("got " + data);
      ws.onclose = ({ code }) => resolve("closed " + code);
    });
    const stream = () => new Promise((resolve) => {
      const events = new EventSource("http://${host}/mcp");
      events.onopen = () => resolve("open");
      events.onerror = () => { events.close(); resolve("failed"); };
    });
    const tries = {
      fetch: () => read("http://${host}/health"),
      blind: () => read("http://${host}/reload", { ...text, mode: "no-cors" }),
      post: () => read("http://${host}/mcp", { ...text, body: initialize }),
      stream,
      socket: () => socket("ws://${host}/"),
      mcp: () => socket("ws://${host}/mcp", "mcp"),
    };
    const found = {};
    for (const [name, attempt] of Object.entries(tries)) {
      found[name] = await attempt().catch((thrown) => "failed " + thrown.name);
    }`;
  return `<!doctype html><script type="module">${attempts}
    await fetch("/report", { method: "POST", body: JSON.stringify(found) });
  </script>`;
}

/** A server of a web page, which is told what the page's script found. */
function pageServer(pageOf: () => string) {
  const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/report") {
      resolve(await request.json());
      return new Response("thanks");
    }
    return new Response(pathname === "/" ? pageOf() : "", { headers: { "content-type": "text/html" } });
  });
  return { port: server.addr.port, report: promise, [Symbol.asyncDispose]: () => server.shutdown() };
}

const NOTHING = {
  fetch: "failed TypeError",
  post: "failed TypeError",
  stream: "failed",
  socket: "closed 1006",
  mcp: "closed 1006",
};

Deno.test(
  `a page in a real browser gets nothing from the daemon and changes nothing${reason}`,
  { ignore },
  async () => {
    await using it = await testDaemon();
    await using page = pageServer(() => hostilePage(new URL(it.url).host));
    await using _browser = await openInChromium(chromium!, { url: `http://127.0.0.1:${page.port}/` });
    const { blind, ...found } = await page.report;
    assertEquals(found, NOTHING);
    // A page is never told how such a request was answered, at most that it failed; the daemon is.
    assert([0, "failed TypeError"].includes(blind as string), String(blind));
    assertEquals(it.daemon.refusals.origin, 6);
    assertEquals((await (await fetch(new URL("/health", it.http))).json()).sessions, 0);
    await assertServes(it.url);
  },
);

Deno.test(
  `a page of an origin on the list is served, so that the page above is refused for its origin${reason}`,
  {
    ignore,
  },
  async () => {
    const host = { current: "" };
    await using page = pageServer(() => hostilePage(host.current));
    const origin = `http://127.0.0.1:${page.port}`;
    await using it = await testDaemon({ settings: { allowedOrigins: [origin] } });
    host.current = new URL(it.url).host;
    await using _browser = await openInChromium(chromium!, { url: `${origin}/` });
    const found = await page.report;
    assertEquals(found.fetch, 200);
    assert(String(found.socket).startsWith('got {"op":"hello_ack","ok":true'), String(found.socket));
  },
);

Deno.test(
  `a name that was rebound to this machine gets nothing, in a real browser too${reason}`,
  { ignore },
  async () => {
    const name = "rebound.example";
    await using it = await testDaemon();
    const host = `${name}:${new URL(it.url).port}`;
    await using page = pageServer(() => hostilePage(host));
    await using _browser = await openInChromium(chromium!, {
      url: `http://${name}:${page.port}/`,
      resolve: `${name} 127.0.0.1`,
    });
    const { blind: _, ...found } = await page.report;
    assertEquals(found, NOTHING);
    assertEquals(it.daemon.refusals.origin, 6);
    // As after a rebinding, when the name and port of the page itself are the daemon's: it is no other origin then.
    const shown = await showInChromium(chromium!, {
      url: `http://${host}/status`,
      resolve: `${name} 127.0.0.1`,
    });
    assertStringIncludes(shown, "FORBIDDEN");
  },
);

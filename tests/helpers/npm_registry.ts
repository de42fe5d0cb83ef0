import { join } from "@std/path";
import { ProcessHost, type ServerCommand } from "../../lib/process/process_host.ts";
import type { ServerProcess } from "../../lib/process/server_process.ts";
import { tempDir } from "./files.ts";

/** A server that answers each request with how it was started, and is an MCP server with the tool `tell`. */
const TELLING_SERVER = `#!/usr/bin/env node
const { name, version } = require("./package.json");
let text = "";
process.stdin.on("data", (chunk) => {
  text += chunk;
  for (let end; (end = text.indexOf("\\n")) >= 0; text = text.slice(end + 1)) answer(JSON.parse(text.slice(0, end)));
});
function answer({ id, method, params }) {
  if (method === "exit") process.exit(3);
  if (id === undefined) return;
  const [, file, ...args] = process.argv;
  const { pid, ppid: parent, env } = process;
  const told = { file, args, cwd: process.cwd(), env, pid, parent, version };
  const results = {
    initialize: { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo: { name, version } },
    "tools/list": { tools: [{ name: "tell", inputSchema: { type: "object" } }] },
    "tools/call": { content: [{ type: "text", text: JSON.stringify(told) }] },
  };
  process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result: results[method] ?? told }) + "\\n");
}
`;

/** What the servers of {@linkcode telling} answer. */
export interface Told {
  pid: number;
  file: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  parent: number;
  version: string;
}

interface Package {
  name: string;
  version: string;
  bin: Readonly<Record<string, string>>;
  files: Readonly<Record<string, string | Uint8Array>>;
}

/** A package whose programs `bins` are servers that tell how they were started. */
export function telling(name: string, version: string, bins: readonly string[] = [name]): Package {
  const bin = Object.fromEntries(bins.map((bin, at) => [bin, `${at}.js`]));
  const files = Object.fromEntries(Object.values(bin).map((file) => [file, TELLING_SERVER]));
  return { name, version, bin, files };
}

/** A registry of npm packages on a port of its own. */
export class NpmRegistry implements AsyncDisposable {
  readonly #packages = new Map<string, Map<string, Uint8Array<ArrayBuffer>>>();
  readonly #manifests = new Map<string, Package>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** The paths asked for, in order. */
  readonly asked: string[] = [];
  /** While it is set, answers wait for it. */
  held: Promise<void> | undefined;

  constructor() {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  async publish(published: Package): Promise<void> {
    const { name, version, bin, files } = published;
    const manifest = JSON.stringify({ name, version, bin });
    const inPackage = Object.entries(files).map(([file, content]) => [`package/${file}`, content]);
    await using dir = await tempDir({ ...Object.fromEntries(inPackage), "package/package.json": manifest });
    const { stdout, success } = await new Deno.Command("tar", { args: ["cz", "package"], cwd: dir.path })
      .output();
    if (!success) throw new Error("tar failed");
    const versions = this.#packages.get(name) ?? new Map();
    this.#packages.set(name, versions.set(version, stdout));
    this.#manifests.set(`${name}@${version}`, published);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const path = decodeURIComponent(new URL(request.url).pathname.slice(1));
    this.asked.push(path);
    await this.held;
    const [name, version] = path.split("/-/");
    const versions = this.#packages.get(name!);
    if (!versions) return Response.json({ error: "not found" }, { status: 404 });
    if (version) return new Response(versions.get(version));
    const entries = Array.from(versions.keys(), (version) => {
      const { bin } = this.#manifests.get(`${name}@${version}`)!;
      const dist = { tarball: `${this.url}${name}/-/${version}` };
      return [version, { name, version, bin, dist }];
    });
    const latest = [...versions.keys()].at(-1);
    return Response.json({ name, "dist-tags": { latest }, versions: Object.fromEntries(entries) });
  }
}

/** A host whose `npx` installs from a registry of its own into a cache of its own. */
export async function npxRig(options: { resolves?: boolean } = {}) {
  const registry = new NpmRegistry();
  const dir = await tempDir({ "work/.keep": "", "state/.keep": "" });
  const logged: string[] = [];
  const host = new ProcessHost({
    env: { HOME: dir.path, SHELL: "/bin/sh", PATH: Deno.env.get("PATH") },
    wrapperDir: options.resolves === false ? undefined : join(dir.path, "state"),
    log: (_name, text) => void logged.push(text),
    limits: { closeGraceMs: 2000, termGraceMs: 500 },
  });
  const env = { npm_config_registry: registry.url, npm_config_cache: join(dir.path, "cache") };
  return {
    registry,
    host,
    dir: dir.path,
    logged,
    write: dir.write,
    start: (args: readonly string[], more: Partial<ServerCommand> = {}, signal?: AbortSignal) =>
      host.spawn({
        name: "it",
        title: "it",
        command: "npx",
        args,
        cwd: join(dir.path, "work"),
        ...more,
        env: { ...env, ...more.env },
      }, signal),
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Asks a server of {@linkcode telling} how it was started. */
export async function tell(process: ServerProcess): Promise<Told> {
  const { promise, resolve, reject } = Promise.withResolvers<Told>();
  process.onmessage = (message) => resolve((message as unknown as { result: Told }).result);
  process.onclose = () => reject(new Error(process.describeEnd()));
  await process.start();
  await process.send({ jsonrpc: "2.0", id: 1, method: "tell" });
  return await promise;
}

/**
 * Loaded before the daemon or the shim (`--preload`), so that their profiles can be asked for. `--inspect` would do
 * without, but what Deno then reports of each WebSocket frame to the inspector was a fifth of what was profiled.
 */
import { Session } from "node:inspector";
import { PROFILER_PORT } from "./profiler.ts";

/** Microseconds between two samples; at V8's default of 1 ms a load of some seconds would have few. */
const SAMPLE_US = 200;

const session = new Session();
session.connect();

function post(method: string, params?: Record<string, unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => {
      if (error) reject(new Error(`${method}: ${error.message}`));
      else resolve(result ?? {});
    });
  });
}

const server = Deno.serve({
  hostname: "127.0.0.1",
  port: Number(Deno.env.get(PROFILER_PORT)),
  onListen: () => {},
}, async (request) => {
  if (new URL(request.url).pathname === "/start") {
    await post("Profiler.enable");
    await post("Profiler.setSamplingInterval", { interval: SAMPLE_US });
    return Response.json(await post("Profiler.start"));
  }
  return Response.json(await post("Profiler.stop"));
});
// The program ends as if this were not here.
server.unref();

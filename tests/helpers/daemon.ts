import { assertEquals } from "@std/assert";
import { Daemon } from "../../lib/app/daemon.ts";
import { statePaths } from "../../lib/config/paths.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import type { Settings } from "../../lib/config/settings.ts";
import type { Server } from "../../lib/call/server.ts";
import { removeHome } from "./files.ts";
import { RawClient } from "./raw_client.ts";

export interface TestDaemonOptions {
  settings?: Partial<Settings>;
  servers?: readonly Server[];
}

/** How long lists wait for servers: tests that list once see them all. */
const LIST_WAIT_MS = 5000;

/** A daemon of this process on a port and in a home of its own, gone with `await using`. */
export async function testDaemon(options: TestDaemonOptions = {}) {
  const home = options.settings?.home ?? await Deno.makeTempDir({ prefix: "exai-test-" });
  const settings = defaultSettings({
    port: 0,
    drainTimeoutMs: 0,
    listWaitMs: LIST_WAIT_MS,
    keychain: "off",
    ...options.settings,
    home,
  });
  const daemon = await Daemon.start({ settings, paths: statePaths(settings), servers: options.servers });
  return {
    daemon,
    home,
    url: daemon.url,
    http: daemon.url.replace(/^ws/, "http"),
    async [Symbol.asyncDispose]() {
      await daemon.stop();
      if (!options.settings?.home) await removeHome(home);
    },
  };
}

/** A fresh client's `version` works: the daemon is up and well. */
export async function assertServes(url: string, hello = {}): Promise<void> {
  using client = await RawClient.hello(url, hello);
  assertEquals(client.ack.ok, true);
  const reply = await client.call("version");
  assertEquals(reply.error, undefined);
  await client.close();
}

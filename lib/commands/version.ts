import { COMMIT, COMMITTED_AT, describeVersion, VERSION } from "../base/version.ts";
import { isObject } from "../base/json.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { isCompiled, programDir } from "../config/paths.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";

export const versionCommand: Action = {
  summary: "Show the version of this program and of the daemon that runs",
  forms: [{ args: "", does: "the versions of this program, of the daemon that runs, and of Deno" }],
  run: version,
};

async function version({ settings, progress }: Invocation): Promise<CommandResult> {
  progress.step("asking the daemon for its version");
  const found = await askDaemon(settings, "/health").catch(() => undefined);
  const daemon = isObject(found) ? { version: found.version, pid: found.pid } : null;
  const { os, arch } = Deno.build;
  const text = [
    `exai-daemon ${describeVersion()}`,
    `  daemon   ${daemon ? `${daemon.version} (process ${daemon.pid})` : "none runs"}`,
    `  deno     ${Deno.version.deno} (V8 ${Deno.version.v8})`,
    `  system   ${os} ${arch}`,
    `  program  ${programDir()}${isCompiled() ? "" : ", run from source"}`,
  ].join("\n");
  const json = {
    version: VERSION,
    commit: COMMIT || null,
    committed_at: COMMITTED_AT || null,
    daemon,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    os,
    arch,
    compiled: isCompiled(),
    directory: programDir(),
  };
  return { text, json };
}

import { fromFileUrl } from "@std/path";
import { cpus } from "node:os";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** The commit this code stands at, and whether it was changed since; `unknown` where there is no git. */
export async function commitHere(): Promise<string> {
  const head = await git("rev-parse", "--short", "HEAD");
  if (head === undefined) return "unknown";
  // A report that is written for the second time is no change of the code.
  const changes = await git("status", "--porcelain", "--", ".", ":!docs/reports");
  return changes === "" ? head : `${head} with changes`;
}

/** The machine and the runtime, in words. */
export function whereHere(): string {
  const [load] = Deno.loadavg();
  return `${Deno.build.os}, ${cpus().length} cores (load ${load!.toFixed(1)}), Deno ${Deno.version.deno}`;
}

async function git(...args: string[]): Promise<string | undefined> {
  const command = new Deno.Command("git", { args, cwd: root, stdout: "piped", stderr: "null" });
  const output = await command.output().catch(() => undefined);
  return output?.success ? new TextDecoder().decode(output.stdout).trim() : undefined;
}

import { ExaiError, messageOf } from "../base/errors.ts";
import { jsonEscaped } from "../base/visible.ts";
import { followDaemon, isDaemonRunning } from "../client/daemon_client.ts";
import { fromCallsFile } from "./calls_file.ts";
import { callsOf } from "./export_end.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";

export const exportCommand: Action = {
  summary: "Export what sessions said, to be replayed",
  about: [
    'What calls said is recorded with "callsBodies": true in exai.json, with what looks like a secret taken out. Read a file ' +
    "before you give it to others: what is private and no secret is in it.",
  ],
  forms: [
    {
      args: "[--session ID] [--out FILE]",
      does: "what was shown and said, as lines of JSON; `exai-daemon replay FILE` plays it back",
    },
  ],
  flags: [
    { name: "session", value: "ID", help: "Only the session with this id, or those whose ids begin with it" },
    { name: "out", value: "FILE", help: "Write it to this new file, which only you can read" },
  ],
  run: exportCalls,
};

const ENCODER = new TextEncoder();

type Take = (line: string) => void | Promise<void>;

/** @throws {ExaiError} `RESOURCE_NOT_FOUND` where nothing is recorded, `CONFIG` where the file cannot be written */
async function exportCalls(invocation: Invocation): Promise<string | CommandResult> {
  const { options, print, progress } = invocation;
  const out = options.get("out")?.at(-1);
  const session = options.get("session")?.at(-1) ?? "";
  if (out === undefined) {
    await exportTo(print, invocation, session);
    return "";
  }
  // Under another name until it is whole: what Ctrl+C leaves of it is no export, and the next takes its place.
  const part = `${out}.exai-part`;
  const file = await createFile(out, part);
  progress.step(`writing ${out}`);
  try {
    const calls = await exportTo((line) => writeAll(file, `${line}\n`), invocation, session)
      .finally(() => file.close());
    await Deno.rename(part, out);
    const advice = `Read it before you give it to others; exai-daemon replay ${out} plays it back.`;
    return { text: `${calls} calls are in ${out}. ${advice}`, json: { file: out, calls } };
  } catch (thrown) {
    await Deno.remove(part).catch(() => {});
    throw thrown instanceof ExaiError ? thrown : new ExaiError("CONFIG", `${out}: ${messageOf(thrown)}`);
  }
}

/** Hands over each line of the export, from the daemon or from its file; the number of calls. */
async function exportTo(take: Take, { settings }: Invocation, session: string): Promise<number> {
  let last = "";
  const takeAll = async (lines: AsyncIterable<string> | Iterable<string>) => {
    for await (const line of lines) if (line !== "") await take(last = jsonEscaped(line));
  };
  const ask = () => takeAll(followDaemon(settings, `/calls/export?${new URLSearchParams({ session })}`));
  if (await isDaemonRunning(settings)) await ask();
  else await fromCallsFile(settings, ask, (control) => takeAll(control.exported(session)));
  return callsOf(last, session);
}

/** @throws {ExaiError} `CONFIG` where there is something, or nothing can be written */
async function createFile(path: string, part: string): Promise<Deno.FsFile> {
  if (await Deno.lstat(path).then(() => true, () => false)) {
    throw new ExaiError("CONFIG", `${path} exists already; --out names a new file`);
  }
  try {
    await Deno.remove(part).catch(() => {});
    return await Deno.open(part, { write: true, createNew: true, mode: 0o600 });
  } catch (thrown) {
    throw new ExaiError("CONFIG", `${path}: ${messageOf(thrown)}`);
  }
}

async function writeAll(file: Deno.FsFile, text: string): Promise<void> {
  for (let rest = ENCODER.encode(text); rest.length > 0;) rest = rest.subarray(await file.write(rest));
}

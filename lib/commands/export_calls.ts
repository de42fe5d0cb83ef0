import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject, numberOf, parseJson } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { jsonEscaped } from "../base/visible.ts";
import { followDaemon, isDaemonRunning } from "../client/daemon_client.ts";
import { fromCallsFile } from "./calls_file.ts";
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
    await exportTo((line) => print(jsonEscaped(line)), invocation, session);
    return "";
  }
  using file = await createFile(out);
  progress.step(`writing ${out}`);
  try {
    const calls = await exportTo((line) => writeAll(file, `${line}\n`), invocation, session);
    const advice = `Read it before you give it to others; exai-daemon replay ${out} plays it back.`;
    return { text: `${calls} calls are in ${out}. ${advice}`, json: { file: out, calls } };
  } catch (thrown) {
    // A part of an export is none.
    await Deno.remove(out).catch(() => {});
    throw thrown instanceof ExaiError ? thrown : new ExaiError("CONFIG", `${out}: ${messageOf(thrown)}`);
  }
}

/** Hands over each line of the export, from the daemon or from its file; the number of calls. */
async function exportTo(take: Take, { settings }: Invocation, session: string): Promise<number> {
  let last = "";
  const takeAll = async (lines: AsyncIterable<string> | Iterable<string>) => {
    for await (const line of lines) if (line !== "") await take(last = line);
  };
  const ask = () => takeAll(followDaemon(settings, `/calls/export?${new URLSearchParams({ session })}`));
  if (await isDaemonRunning(settings)) await ask();
  else await fromCallsFile(settings, ask, (control) => takeAll(control.exported(session)));
  const end = parseJson(last);
  if (!isObject(end) || end.type !== "end") {
    throw new ExaiError(
      "DAEMON_UNAVAILABLE",
      "the daemon has ended before all was exported; export it again",
    );
  }
  const { calls, without_bodies } = end;
  if (numberOf(calls)! > 0) return Number(calls);
  throw new ExaiError("RESOURCE_NOT_FOUND", whyEmpty(session, Number(without_bodies)));
}

function whyEmpty(session: string, unsaid: number): string {
  const whose = session === "" ? "" : ` of a session ${quoteName(session)}`;
  if (unsaid === 0) return `no call${whose} is recorded; exai-daemon calls lists those that are`;
  return `what the ${unsaid} calls${whose} said was not recorded: set "callsBodies": true in exai.json, ` +
    "run `exai-daemon restart`, and do again what is to be exported";
}

/** @throws {ExaiError} `CONFIG` where there is something, or nothing can be written */
async function createFile(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  } catch (thrown) {
    if (!(thrown instanceof Deno.errors.AlreadyExists)) {
      throw new ExaiError("CONFIG", `${path}: ${messageOf(thrown)}`);
    }
    throw new ExaiError("CONFIG", `${path} exists already; --out names a new file`);
  }
}

async function writeAll(file: Deno.FsFile, text: string): Promise<void> {
  for (let rest = ENCODER.encode(text); rest.length > 0;) rest = rest.subarray(await file.write(rest));
}

import { ExaiError } from "../base/errors.ts";
import { isObject, parseJson } from "../base/json.ts";
import { quoteName } from "../base/text.ts";

/**
 * How many calls there are in an export of which `last` is the last line.
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` for none, `CONFIG` and `DAEMON_UNAVAILABLE` where it is not whole
 */
export function callsOf(last: string, session: string): number {
  const end = parseJson(last);
  if (isObject(end) && end.type === "fault") {
    throw new ExaiError("CONFIG", `not all was exported: ${String(end.message)}`);
  }
  if (!isObject(end) || end.type !== "end") {
    const why = "the daemon has ended before all was exported; export it again";
    throw new ExaiError("DAEMON_UNAVAILABLE", why);
  }
  const calls = Number(end.calls);
  if (calls > 0) return calls;
  throw new ExaiError("RESOURCE_NOT_FOUND", whyEmpty(session, Number(end.without_bodies)));
}

function whyEmpty(session: string, unsaid: number): string {
  const whose = session === "" ? "" : ` of a session ${quoteName(session)}`;
  if (unsaid === 0) return `no call${whose} is recorded; exai-daemon calls lists those that are`;
  return `what the ${unsaid} calls${whose} said was not recorded: set "callsBodies": true in exai.json, ` +
    "run `exai-daemon restart`, and do again what is to be exported";
}

import type { JsonObject } from "../../lib/base/json.ts";
import type { ServerQuestion } from "../../lib/upstream/instance/instance_options.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { instanceOf, settled, type Upstream, Window } from "./instance.ts";

export const QUESTION = { method: "elicitation/create", params: { message: "who?" } };
export const ASKED = { elicitation: {}, sampling: {} };
/** The answer the upstream gets to `question`. */
export async function ask(
  upstream: Upstream,
  id: unknown,
  question: object = QUESTION,
): Promise<Result | undefined> {
  upstream.say({ id, ...question });
  await settled();
  return upstream.answered(id);
}

/** Ada and bob on one instance, and a call of ada's that runs. */
export async function together(capabilities: [JsonObject, JsonObject] = [ASKED, ASKED]) {
  const questions: ServerQuestion[] = [];
  const rig = await instanceOf({ onQuestion: (question) => void questions.push(question) });
  const [ada, bob] = [new Window("ada", capabilities[0]), new Window("bob", capabilities[1])];
  for (const { caller } of [ada, bob]) rig.instance.attach(caller);
  const run = (window: Window) => {
    const controller = new AbortController();
    rig.instance.call(window.call({ signal: controller.signal })).catch(() => {});
    return rig.upstream.last("tools/call").id;
  };
  return { ...rig, ada, bob, run, questions };
}

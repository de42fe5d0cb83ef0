import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import type OpenAI from "openai";
import { messageOf } from "../../base/errors.ts";
import { isObject, type JsonObject, textOf } from "../../base/json.ts";
import { SECOND_MS } from "../../base/units.ts";
import { isFinal, statusOf } from "./response_status.ts";

const log = getLogger(["exai", "provider"]);

/** How often a broken stream is taken up again without a new event in between. */
const MAX_RESUMES = 5;

/** The delay before the first of them, in milliseconds; longer for each further one. */
const RESUME_DELAY_MS = SECOND_MS / 10;

/** How long a response may take to be cancelled or deleted. */
const CLEAN_UP_MS = 5 * SECOND_MS;

/** Where a stream has come to. */
interface Cursor {
  id: string;
  sequence: number;
  hasEnded: boolean;
}

/**
 * The events of a response that runs in the background (https://developers.openai.com/api/docs/guides/background): a
 * stream that breaks is taken up where it was, so that the answer is neither lost nor billed twice. A cancelled call
 * cancels the response. The provider keeps such a response, so it is deleted in the end.
 */
export async function* backgroundEvents(
  client: OpenAI,
  body: JsonObject,
  signal: AbortSignal,
): AsyncIterable<unknown> {
  const cursor: Cursor = { id: "", sequence: 0, hasEnded: false };
  let events = await openStream(client.post("/responses", { body, stream: true, signal }));
  try {
    for (let resumes = 0; !cursor.hasEnded; resumes++) {
      const before = cursor.sequence;
      let broken: unknown;
      try {
        for await (const event of events) {
          follow(cursor, event);
          yield event;
        }
      } catch (thrown) {
        broken = thrown;
      }
      if (cursor.hasEnded) return;
      if (cursor.sequence > before) resumes = 0;
      if (signal.aborted || cursor.id === "" || resumes >= MAX_RESUMES) {
        if (broken !== undefined) throw broken;
        return;
      }
      await delay(RESUME_DELAY_MS * (resumes + 1), { signal });
      const query = { stream: "true", starting_after: String(cursor.sequence) };
      // A response that cannot be taken up is a broken answer, and not a refusal of the request.
      events = await openStream(client.get(`/responses/${cursor.id}`, { query, stream: true, signal }))
        .catch(() => brokenStream(broken));
    }
  } finally {
    await cleanUp(client, cursor);
  }
}

async function openStream(request: PromiseLike<unknown>): Promise<AsyncIterable<unknown>> {
  return await request as AsyncIterable<unknown>;
}

// deno-lint-ignore require-yield
async function* brokenStream(reason: unknown): AsyncGenerator<unknown> {
  throw reason ?? new Error("the response could not be taken up again");
}

async function dropped(answer: Promise<Response>): Promise<void> {
  await (await answer).body?.cancel();
}

function follow(cursor: Cursor, event: unknown): void {
  if (!isObject(event)) return;
  const { response, sequence_number: sequence } = event;
  if (typeof sequence === "number") cursor.sequence = sequence;
  if (!isObject(response)) return;
  cursor.id = textOf(response.id) ?? cursor.id;
  cursor.hasEnded = isFinal(statusOf(event, response));
}

/** Cancels a response that still runs, and deletes it. */
async function cleanUp(client: OpenAI, { id, hasEnded }: Cursor): Promise<void> {
  if (id === "") return;
  const signal = AbortSignal.timeout(CLEAN_UP_MS);
  try {
    // Only the status counts: what follows a stream is read as one.
    if (!hasEnded) await dropped(client.post(`/responses/${id}/cancel`, { signal }).asResponse());
    await dropped(client.delete(`/responses/${id}`, { signal }).asResponse());
  } catch (thrown) {
    log.warning("a response in the background could not be {what}: {reason}", {
      what: hasEnded ? "deleted" : "cancelled",
      reason: messageOf(thrown),
    });
  }
}

import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { quoteValue } from "../../base/text.ts";
import type { Whereabouts } from "../../call/call.ts";
import type { Thread } from "../../state/thread_store.ts";
import { writeTranscript } from "../../state/transcript.ts";
import type { ToolHost } from "../host.ts";
import type { OwnThreads } from "../own_threads.ts";

/** The URIs of the resources of a workspace (MCP server/resources). */
const CALLS = "exai://calls";
const THREADS = "exai://threads";
const THREAD_TEMPLATE = `${THREADS}/{id}`;

/** Calls in the call record. */
const MAX_CALLS = 500;

/** Threads listed, most recently used first. */
const MAX_THREADS = 100;

/** The sources of the resources. */
interface ResourceSources {
  host: ToolHost;
  /** Identifies the caller. */
  whereabouts: Whereabouts;
  /** The threads of the caller. */
  threads: OwnThreads;
}

/** Lists the current resources. */
export async function listResources({ threads }: Pick<ResourceSources, "threads">): Promise<JsonObject[]> {
  const known = await threads.list({ limit: MAX_THREADS });
  return [
    {
      uri: CALLS,
      name: "calls",
      title: "Call record",
      description: "The latest calls from this workspace, one line each",
      mimeType: "text/plain",
    },
    {
      uri: THREADS,
      name: "threads",
      title: "Threads",
      description: "Conversations and investigations that can be continued",
      mimeType: "application/json",
    },
    ...known.map(describeThread),
  ];
}

function describeThread({ id, tool, title, turns, usedAtMs }: Thread): JsonObject {
  return {
    uri: `${THREADS}/${id}`,
    name: id,
    title: `${tool}: ${title}`,
    description: `${turns} exchanges`,
    mimeType: "text/markdown",
    annotations: { lastModified: new Date(usedAtMs).toISOString() },
  };
}

/** The templates of resources that need not be listed. */
export const RESOURCE_TEMPLATES: readonly JsonObject[] = [{
  uriTemplate: THREAD_TEMPLATE,
  name: "thread",
  title: "Thread",
  description: "One conversation or investigation in full; its id is a continuation_id",
  mimeType: "text/markdown",
}];

/** Whether `uri` is the template in {@linkcode RESOURCE_TEMPLATES} or the URI of a thread. */
export function isThreadTemplate(uri: unknown): boolean {
  return typeof uri === "string" && (uri === THREAD_TEMPLATE || uri.startsWith(`${THREADS}/`));
}

/**
 * Reads a resource (MCP `resources/read`).
 *
 * @throws {ExaiError} `RESOURCE_NOT_FOUND` for an unknown resource, or one of another workspace
 */
export async function readResource(
  { uri }: JsonObject,
  { host, whereabouts, threads }: ResourceSources,
): Promise<JsonObject> {
  const contents = (mimeType: string, text: string) => ({ contents: [{ uri, mimeType, text }] });
  if (uri === CALLS) return contents("text/plain", (await host.activity(whereabouts, MAX_CALLS)).join("\n"));
  if (uri === THREADS) {
    const known = await threads.list({ limit: MAX_THREADS });
    return contents("application/json", JSON.stringify(known, null, 2));
  }
  if (typeof uri !== "string" || !uri.startsWith(`${THREADS}/`)) throw unknown(uri);
  const id = uri.slice(THREADS.length + 1);
  const { thread, turns } = await threads.show(id).catch((thrown) => {
    throw thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND" ? unknown(uri) : thrown;
  });
  return contents("text/markdown", writeTranscript(thread, turns));
}

function unknown(uri: unknown): ExaiError {
  return new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no resource ${
      quoteValue(uri)
    } here, or it belongs to another workspace; resources/list names ` +
      "those of this one",
    {
      details: { uri },
    },
  );
}

import { isObject, type Json, type JsonObject, textOf } from "../../../base/json.ts";
import { META, MODERN_REVISIONS } from "../../../wire/client_claim.ts";
import { CODES } from "../../../wire/codes.ts";
import { type InitializeResult, LATEST_REVISION, REVISIONS } from "../../../wire/mcp.ts";
import { exactResult } from "../../../wire/raw_message.ts";
import type { Result } from "../../../wire/rpc.ts";
import { extensionsWithoutTasks } from "../../../wire/tasks_extension.ts";

/** What the answer to `server/discover` says of its server (MCP basic/transports/stdio, backward compatibility). */
export type DiscoverVerdict =
  | { is: "modern"; revision: string; description: InitializeResult }
  /** It speaks the revision, but not the one it was asked in. */
  | { is: "other revision"; revision: string }
  | { is: "legacy" }
  /** It is of the modern era, and EXAI has no revision in common with it, or it refuses to describe itself. */
  | { is: "fault"; why: string };

/** Reads the answer of `server`, its name, to `server/discover` in `asked`, a revision. */
export function readDiscover(
  answer: Result,
  { asked, server }: { asked: string; server: string },
): DiscoverVerdict {
  if (answer.error) {
    const { code, message, data } = answer.error;
    if (code === CODES.UNSUPPORTED_REVISION.rpc) {
      return common(isObject(data) ? data.supported : undefined, () => ({
        is: "fault",
        why: `it refused MCP ${asked} and names no revision that it speaks: ${message}`,
      }));
    }
    const isModern = code === CODES.MISSING_CAPABILITY.rpc || code === CODES.HEADER_MISMATCH.rpc;
    return isModern ? { is: "fault", why: `it refused server/discover: ${message}` } : { is: "legacy" };
  }
  const result = exactResult(answer);
  // Some servers answer any method with an empty result.
  if (!Array.isArray(result.supportedVersions)) return { is: "legacy" };
  if (!result.supportedVersions.includes(asked)) {
    return common(result.supportedVersions, () => ({ is: "legacy" }));
  }
  return { is: "modern", revision: asked, description: describe(result, server) };
}

/** The newest revision that EXAI speaks too. */
function common(supported: Json | undefined, unnamed: () => DiscoverVerdict): DiscoverVerdict {
  if (!Array.isArray(supported) || supported.length === 0) return unnamed();
  const revision = MODERN_REVISIONS.find((one) => supported.includes(one));
  if (revision !== undefined) return { is: "other revision", revision };
  if (REVISIONS.some((one) => supported.includes(one))) return { is: "legacy" };
  const ours = [...MODERN_REVISIONS, ...REVISIONS].join(", ");
  return { is: "fault", why: `it speaks MCP ${supported.map(String).join(", ")}; EXAI speaks ${ours}` };
}

/**
 * What a server says of itself, as if it had said it to `initialize`: what shows and merges servers needs to know of no
 * era. Tasks of 2025-11-25 are none of the modern era.
 */
function describe(result: JsonObject, server: string): InitializeResult {
  const info = isObject(result._meta) ? result._meta[META.server] : undefined;
  const named = isObject(info) ? info : {};
  const capabilities = isObject(result.capabilities) ? result.capabilities : {};
  const { tasks: _, extensions: __, ...rest } = capabilities;
  const extensions = extensionsWithoutTasks(capabilities);
  const instructions = textOf(result.instructions);
  return {
    protocolVersion: LATEST_REVISION,
    capabilities: extensions ? { ...rest, extensions } : rest,
    serverInfo: { ...named, name: textOf(named.name) ?? server, version: textOf(named.version) ?? "" },
    ...(instructions === undefined ? {} : { instructions }),
  };
}

import { isObject, type JsonObject } from "../../../base/json.ts";
import type { Call, Caller, InputAnswers } from "../../../call/call.ts";
import { CLAIM_NAMES, META } from "../../../wire/client_claim.ts";
import type { Implementation, LogLevel } from "../../../wire/mcp.ts";
import { type Params, RawObject } from "../../../wire/raw_object.ts";
import { extensionsWithTasks } from "../../../wire/tasks_extension.ts";

/** Client capabilities that a server of the modern era is told. `experimental` says nothing that it can rely on. */
const TOLD = ["sampling", "elicitation", "roots", "extensions"];

/** What a request says of its client and of what it may be answered with (MCP basic, per-request protocol fields). */
interface RequestClaim {
  revision: string;
  /** EXAI itself: it is the client of this hop, and a server is not to depend on who is behind it. */
  clientInfo: Implementation;
  capabilities: JsonObject;
  /** Undefined: no log messages are wanted. */
  logLevel: LogLevel | undefined;
}

/**
 * The capabilities that a server is told with a request of `caller`: its own, and tasks, which the daemon waits for on
 * behalf of clients that do not.
 */
export function toldCapabilities({ capabilities }: Pick<Caller, "capabilities">): JsonObject {
  const told: JsonObject = Object.fromEntries(TOLD.flatMap((name) => {
    const capability = capabilities[name];
    return isObject(capability) ? [[name, capability]] : [];
  }));
  return { ...told, extensions: extensionsWithTasks(told) };
}

/** The level of log messages that a server is told for `call`; undefined: none are wanted about it. */
export function toldLevel({ logLevel, caller }: Pick<Call, "logLevel" | "caller">): LogLevel | undefined {
  return logLevel ?? caller.logLevel;
}

/** `params` with the envelope in `_meta`, and the answers to what the server asked for in its last result. */
export function modernParams(
  params: Params,
  { revision, clientInfo, capabilities, logLevel }: RequestClaim,
  answers: InputAnswers = {},
): Params {
  const claim: JsonObject = {
    [META.revision]: revision,
    [META.client]: clientInfo,
    [META.capabilities]: capabilities,
    ...(logLevel === undefined ? {} : { [META.logLevel]: logLevel }),
  };
  if (!(params instanceof RawObject)) {
    const { _meta, inputResponses: _, requestState: _state, ...rest } = params;
    const meta = Object.entries(isObject(_meta) ? _meta : {}).filter(([name]) => !CLAIM_NAMES.includes(name));
    return { ...rest, ...defined(answers), _meta: { ...Object.fromEntries(meta), ...claim } };
  }
  const meta = params.objectAt("_meta")?.without(...CLAIM_NAMES).withAll(claim).text ?? JSON.stringify(claim);
  const rest = params.without("inputResponses", "requestState").withText("_meta", meta);
  return rest.withAll(defined(answers));
}

function defined({ inputResponses, requestState }: InputAnswers): JsonObject {
  return {
    ...(inputResponses === undefined ? {} : { inputResponses }),
    ...(requestState === undefined ? {} : { requestState }),
  };
}

import type { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Line } from "../transport/stdio.ts";
import { toRpcError } from "../wire/codes.ts";
import { type RequestId, responseTo, type RpcMessage } from "../wire/rpc.ts";

/** The answer to `id` that tells what went wrong. */
export function errorLine(id: RequestId, error: ExaiError): Line {
  return asLine(responseTo(id, { error: toRpcError(error) }));
}

export function notificationLine(method: string, params: JsonObject): Line {
  return asLine({ jsonrpc: "2.0", method, params });
}

function asLine(message: RpcMessage): Line {
  const text = JSON.stringify(message);
  return { text, bytes: new TextEncoder().encode(text).length };
}

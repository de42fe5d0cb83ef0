import type { RpcMessage } from "../../lib/wire/rpc.ts";
import { sentText } from "../../lib/wire/text_request.ts";

/** `message` as a value, whether it came as text or not. */
export function parsed(message: RpcMessage): RpcMessage {
  return JSON.parse(sentText(message));
}

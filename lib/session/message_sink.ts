import type { ExaiError } from "../base/errors.ts";
import type { BeginOptions } from "../call/call.ts";
import { toRpcError } from "../wire/codes.ts";
import type { OutgoingMessage, RequestRef } from "../wire/message_text.ts";
import { messageLine, responseText } from "../wire/message_text.ts";
import { isEphemeral, type RequestId, type Result } from "../wire/rpc.ts";
import { encode } from "./encode.ts";
import type { OnUndelivered } from "./outbound_messages.ts";
import type { Session } from "./session.ts";

interface ClientSendOptions {
  /** The client's own request that caused the message. */
  relatedTo?: RequestId;
  onUndelivered?: OnUndelivered;
}

/** Sends a request or notification to the client. */
export type SendToClient = (message: OutgoingMessage, options: ClientSendOptions) => void;

/** Where the messages of a peer go: a connection, or the streams of an HTTP session. */
export interface MessageSink {
  /** Sends the response to a request; undefined when the request's id could not be read. */
  respond(request: RequestRef | undefined, result: Result): void;
  /** Sends the error of a request that reuses the id of a running call, which gets its own response. */
  rejectDuplicate(request: RequestRef, result: Result): void;
  send: SendToClient;
  /** The request `id` was cancelled and gets no response. */
  abandon(id: RequestId): void;
  /** The request `id` begins to do what must not be done twice. */
  markBegun?(id: RequestId, options?: BeginOptions): void;
}

/** The text of a response; of an error where it is too large or cannot be written. */
export function encodeResponse(idText: string, result: Result, maxBytes: number): string {
  const refuse = (error: ExaiError) => responseText(idText, { error: toRpcError(error) });
  return encode(() => responseText(idText, result), maxBytes, refuse);
}

/** The text of a request or notification; of a notice where it is too large or cannot be written. */
export function encodeMessage(
  message: OutgoingMessage,
  { maxBytes, onUndelivered }: { maxBytes: number; onUndelivered?: OnUndelivered },
): { text: string; method: string } {
  let { method } = message;
  const text = encode(() => messageLine(message), maxBytes, (error) => {
    onUndelivered?.(error);
    method = "notifications/message";
    return messageLine({ method, params: { level: "error", logger: "exai", data: error.message } });
  });
  return { text, method };
}

/** Sends the messages of a session on whatever connection it has. */
export function connectionSink(session: Session): MessageSink {
  const { output, maxFrameBytes: maxBytes } = session;
  return {
    respond(request, result) {
      const text = encodeResponse(request?.idText ?? "null", result, maxBytes);
      if (request) output.sendResponse(request.id, text);
      else output.sendTransient(text);
    },
    rejectDuplicate: ({ id, idText }, result) => output.rejectDuplicate(id, responseText(idText, result)),
    markBegun: (id, options) => output.markBegun(id, options),
    abandon: (id) => output.abandon(id),
    send(message, { onUndelivered }) {
      const { text, method } = encodeMessage(message, { maxBytes, onUndelivered });
      if (isEphemeral({ method })) output.sendTransient(text);
      else output.send(text, onUndelivered);
    },
  };
}

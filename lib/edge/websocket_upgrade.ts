import { SECOND_MS } from "../base/units.ts";
import type { UpgradedConnection, WebSocketUpgradeOptions } from "./request_context.ts";

/** A token (RFC 9110, section 5.6.2): the syntax of a subprotocol name. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;

const VERSION = "13";

/** Whether a request asks for a WebSocket, validly or not. */
export function isUpgradeRequest(request: Request): boolean {
  return headerList(request, "upgrade").some((name) => name.toLowerCase() === "websocket");
}

/**
 * The error response to an invalid WebSocket request (RFC 6455, section 4.2.1); undefined for a valid one. Covers
 * everything that would make the upgrade itself throw.
 */
export function validateUpgrade(request: Request): Response | undefined {
  if (request.method !== "GET") return invalidUpgrade("the method must be GET");
  if (headerList(request, "upgrade").length !== 1) return invalidUpgrade("Upgrade must name websocket alone");
  if (!headerList(request, "connection").some((name) => name.toLowerCase() === "upgrade")) {
    return invalidUpgrade("Connection must hold Upgrade");
  }
  if (request.headers.get("sec-websocket-version")?.trim() !== VERSION) {
    const answer = invalidUpgrade(`Sec-WebSocket-Version must be ${VERSION}`, 426);
    answer.headers.set("sec-websocket-version", VERSION);
    return answer;
  }
  if (!KEY.test(request.headers.get("sec-websocket-key")?.trim() ?? "")) {
    return invalidUpgrade("Sec-WebSocket-Key must be 16 bytes in base64");
  }
  const offered = headerList(request, "sec-websocket-protocol");
  if (!offered.every((name) => NAME.test(name)) || new Set(offered).size < offered.length) {
    return invalidUpgrade("Sec-WebSocket-Protocol must hold names, each once, separated by commas");
  }
  return undefined;
}

/** The subprotocols that a client offers. */
export function offeredProtocols(request: Request): string[] {
  return headerList(request, "sec-websocket-protocol");
}

/** Upgrades a connection of `Deno.serve`. */
export function upgradeWithDeno(
  request: Request,
  { idleTimeoutMs, protocol }: WebSocketUpgradeOptions,
): UpgradedConnection {
  // Deno finds a subprotocol only in a list with a space after each comma, which is optional.
  if (protocol !== undefined) {
    const headers = new Headers(request.headers);
    headers.set("sec-websocket-protocol", protocol);
    Object.defineProperty(request, "headers", { value: headers });
  }
  return Deno.upgradeWebSocket(request, {
    idleTimeout: Math.max(2, Math.round(idleTimeoutMs / SECOND_MS)),
    ...(protocol ? { protocol } : {}),
  });
}

/** The elements of a list header; empty when it is missing. */
function headerList(request: Request, header: string): string[] {
  return request.headers.get(header)?.split(",").map((part) => part.trim()) ?? [];
}

function invalidUpgrade(why: string, status = 400): Response {
  const message = `not a valid WebSocket request: ${why}`;
  return Response.json({ error: { code: "INVALID_REQUEST", message } }, { status });
}

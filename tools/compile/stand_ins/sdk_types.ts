/**
 * Stands in for the MCP SDK's `types.js` in the bundle of the shim, of which only this is used. The schemas there are
 * built with the whole of zod, at start, for every window; the shim checks the envelope of each message itself
 * (lib/wire/rpc.ts) and leaves the rest to the receiver.
 */
export const JSONRPCMessageSchema = {
  parse: (value: unknown): unknown => value,
};

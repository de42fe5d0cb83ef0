/**
 * Stands in for the MCP SDK's `types.js` in the bundle of the shim, of which only this is used. The schemas there are
 * built with the whole of zod, at start, for every window; the shim checks the envelope of each message itself
 * (lib/wire/rpc.ts) and leaves the rest to the receiver.
 */
export const JSONRPCMessageSchema = {
  parse(value: unknown): unknown {
    // As the schema; null would count as a line that has not arrived yet.
    if (value === null || Array.isArray(value)) throw new TypeError("a message must be a JSON object");
    return value;
  },
};

/**
 * Stands in for `node:process` in the SDK's stdio transport, which wants its stdin and stdout only when it is given no
 * others. Loading the real one makes the start of each shim 13 ms longer.
 */
export default { stdin: undefined, stdout: undefined };

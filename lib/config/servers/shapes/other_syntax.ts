const MCP_JSON = 'mcp.json is JSON: {"mcpServers": {"name": {"command": ...} or {"url": ...}}}';
const IMPORT = "`exai-daemon adopt` imports the servers of other programs' files";

/** Why `text`, which is no JSON, is none, where that is plain; undefined: the place of its first fault says more. */
export function whyNoJson(text: string): string | undefined {
  const trimmed = text.trim();
  if (/^(?:<{7}|={7}|>{7})(?: |$)/m.test(trimmed)) {
    return "holds the marks of a merge (<<<<<<<); keep one of the two versions";
  }
  if (trimmed.startsWith("{")) return undefined;
  if (/^\[\[?[\w."' -]+\]\]?\s*(?:#.*)?$/m.test(trimmed) && /^[\w."-]+\s*=/m.test(trimmed)) {
    return `is TOML, as Codex's config.toml, and ${MCP_JSON}; ${IMPORT}`;
  }
  if (/^<\??[a-z!]/i.test(trimmed)) return `is XML, and ${MCP_JSON}`;
  if (!trimmed.includes("\n") && /^[\w.~/\\: -]+$/.test(trimmed) && /[/\\]|\.json$/.test(trimmed)) {
    return "holds nothing but a path: a symbolic link that was written as text; put the file of that path here, or a link";
  }
  if (/^[A-Za-z_][\w-]*:(?:\s|$)/m.test(trimmed)) return `is YAML, and ${MCP_JSON}; ${IMPORT}`;
  return undefined;
}

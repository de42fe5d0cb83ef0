import { visit } from "jsonc-parser";
import type { DocumentLanguage } from "./document.ts";
import { JSONC } from "./jsonc.ts";

/** Quoted texts of TOML and YAML, closed or not, in which a `#` is no comment, and comments. */
const HASH_COMMENTS =
  /"""[^]*?(?:"""|(?![^]))|'''[^]*?(?:'''|(?![^]))|"(?:\\.|[^"\\\n])*"?|(?<=[=[,:\s])'[^'\n]*'?|(?:^|(?<=[\s\]"'}]))#.*/gm;

/** The comments of a document, in their order, without the blanks around each. */
export function commentsIn(language: DocumentLanguage, text: string): string[] {
  const comments = language === JSONC
    ? jsonComments(text)
    : (text.match(HASH_COMMENTS) ?? []).filter((found) => found.startsWith("#"));
  return comments.map((comment) => comment.trim());
}

function jsonComments(text: string): string[] {
  const comments: string[] = [];
  const onComment = (offset: number, length: number) => comments.push(text.slice(offset, offset + length));
  visit(text, { onComment }, { allowTrailingComma: true });
  return comments;
}

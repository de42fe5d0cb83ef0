/** A string of JSON, one without an end to the end of the text, or a number JSON has no word for. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/gs;

/**
 * Parses `text`, where need be with `null` in place of the numbers JSON does not have: Python's `json.dumps` writes NaN
 * and Infinity unless told otherwise.
 *
 * @throws {SyntaxError} it is no JSON in that way either
 */
export function parseLenient(text: string): { value: unknown; isMended: boolean } {
  try {
    return { value: JSON.parse(text), isMended: false };
  } catch (thrown) {
    if (!/NaN|Infinity/.test(text)) throw thrown;
    const mended = text.replace(STRING_OR_NUMBER, (found) => found.startsWith('"') ? found : "null");
    return { value: JSON.parse(mended), isMended: true };
  }
}

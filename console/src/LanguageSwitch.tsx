// One button that changes the language of the page; it is labelled in the language it leads to.
import { setLang, useWords } from "./words";

export function LanguageSwitch() {
  const { words, lang } = useWords();
  const other = lang === "zh" ? "en" : "zh";
  return (
    <button type="button" class="language" lang={other === "zh" ? "zh-CN" : "en"} title={words.language.switchTo} onClick={() => setLang(other)}>
      {words.language.other}
    </button>
  );
}

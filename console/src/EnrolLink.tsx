// What a person sees who scans a device's token with a phone: it is for the device, and how the device takes it. Nothing is sent.
import { LanguageSwitch } from "./LanguageSwitch";
import { useWords } from "./words";

export const isEnrolLink = (): boolean => location.pathname === "/enrol";

export function EnrolLink() {
  const { words } = useWords();
  return (
    <main class="sign-in enrol-link">
      <section>
        <p class="product">{words.product}</p>
        <h1>{words.enrolLink.title}</h1>
        <p>{words.enrolLink.how}</p>
        <code>{`cityhub edge enrol '${location.href}'`}</code>
        <p class="note">{words.enrolLink.secret}</p>
        <a href="/">{words.enrolLink.home}</a>
      </section>
      <LanguageSwitch />
    </main>
  );
}

// Where the console begins: who is signed in decides between the sign-in page and the desk.
import "./style/base.css";
import "./style/desk.css";
import "./style/alarms.css";
import "./style/map.css";
import "./style/vitals.css";
import "./style/phone.css";
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { Desk } from "./Desk";
import { EnrolLink, isEnrolLink } from "./EnrolLink";
import { SignIn } from "./SignIn";
import { situation, start } from "./situation";
import { useSlice } from "./store";
import { tellDocument, useWords } from "./words";

function Console() {
  const session = useSlice(situation, (now) => now.session);
  const { words } = useWords();
  useEffect(() => {
    if (session === null || session === "asking") document.title = `${words.signIn.title} · CityHub`;
  }, [session, words]);
  if (session === "asking") return <p class="asking" role="status">{words.checking}</p>;
  return session === null ? <SignIn /> : <Desk />;
}

// Chromium paints a node that was moved by moveBefore() with the style it had before, whatever its classes say now
// (crbug 417426569, seen in 156): a taken alarm would look untaken. Without it Preact moves by insertBefore().
Reflect.deleteProperty(Element.prototype, "moveBefore");

const root = document.getElementById("console");
if (!root) throw new Error("index.html has no #console");
tellDocument();
if (isEnrolLink()) render(<EnrolLink />, root);
else {
  render(<Console />, root);
  void start();
}

for (const figure of document.querySelectorAll(".compare")) {
  const input = figure.querySelector("input");
  const cut = () => figure.style.setProperty("--cut", input.value + "%");
  input.addEventListener("input", cut);
  cut();
}
document.documentElement.classList.add("js");

# A Homebrew formula for Mayfly. Unverified: it has not run on a Mac yet.
#
# From a clone: python3 -m hatchling build -t sdist, put the file's path and sha256 below, then
# brew install --build-from-source docs/homebrew/mayfly.rb
class Mayfly < Formula
  include Language::Python::Virtualenv

  desc "Short-lived AWS credentials from 1Password, always fresh, for every terminal"
  url "file:///path/to/mayflyd-0.2.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "python@3.13"

  def install
    virtualenv_create(libexec, "python3.13")
    # The libraries that it was tried with.
    system libexec/"bin/python", "-m", "pip", "install", "--constraint", "constraints.txt", "."
    bin.install_symlink libexec/"bin/mayfly"
    man1.install_symlink libexec/"share/man/man1/mayfly.1"
    man5.install_symlink libexec/"share/man/man5/mayfly.toml.5"
    generate_completions_from_executable(bin/"mayfly", "completion", shells: [:bash, :zsh, :fish])
  end

  def caveats
    "The service is mayfly's own: mayfly install --now"
  end

  test do
    assert_match "mayfly #{version}", shell_output("#{bin}/mayfly --version")
  end
end

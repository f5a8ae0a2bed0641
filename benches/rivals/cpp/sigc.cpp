#include <sigc++/sigc++.h>

#include "rival.hpp"

namespace {

struct Sigc {
    static std::string name() {
        return "libsigc++ " + std::to_string(SIGCXX_MAJOR_VERSION) + "." + std::to_string(SIGCXX_MINOR_VERSION);
    }
    static constexpr const char* about = "for one thread: its signals may not be shared";
    static constexpr bool changes = true;
    static constexpr const char* not_shared = "is for one thread";

    using Held = sigc::connection;
    struct Local {
        explicit Local(Sigc&) {}
    };

    sigc::signal<void(const u64&)> signal;

    Sigc(u64 n, std::vector<Held>& held) {
        for (u64 c = 0; c < n; c++) held.push_back(connect(c));
    }

    void send(Local&) { signal.emit(1); }
    Held connect(u64 c) {
        return signal.connect([c](const u64& x) { work(c, x); });
    }
    void disconnect(Held held) { held.disconnect(); }
};

Registered<Sigc> registered;

}

// An array of receivers that is walked under liburcu, and copied by each change.
#define _LGPL_SOURCE
#define URCU_INLINE_SMALL_FUNCTIONS
#ifdef QSBR
#include <urcu-qsbr.h>
#else
#define RCU_MEMBARRIER
#include <urcu.h>
#endif

#include <algorithm>
#include <mutex>

#include "rival.hpp"

namespace {

using Table = std::vector<Receiver*>;

// Each thread registers once, whichever of the rivals of this kind it comes to.
struct Registration {
    Registration() {
        rcu_register_thread();
        offline();
    }
    ~Registration() { rcu_unregister_thread(); }

    // Between its sends a thread must not keep the changes waiting.
    void online() {
#ifdef QSBR
        rcu_thread_online();
#endif
    }
    void offline() {
#ifdef QSBR
        rcu_thread_offline();
#endif
    }
};

thread_local Registration registration;

struct Urcu {
#ifdef QSBR
    static std::string name() { return "liburcu `qsbr`, an array"; }
    static constexpr const char* about =
        "the same, where each thread says after its send that it holds nothing: one that forgets blocks all changes";
#else
    static std::string name() { return "liburcu `memb`, an array"; }
    static constexpr const char* about =
        "by hand: threads that send must register, and each change waits for all sends that run, also its own";
#endif
    static constexpr bool changes = true;
    static constexpr const char* not_shared = "";

    using Held = Receiver*;
    struct Local {
        explicit Local(Urcu&) { registration.online(); }
        ~Local() { registration.offline(); }
    };

    Table* table;
    std::mutex change;

    Urcu(u64 n, std::vector<Held>& held) : table(new Table) {
        for (u64 c = 0; c < n; c++) held.push_back(make_receiver(c));
        *table = held;
    }
    ~Urcu() {
        for (auto* receiver : *table) delete receiver;
        delete table;
    }

    void send(Local&) {
        u64 x = 1;
        rcu_read_lock();
        for (auto* receiver : *rcu_dereference(table)) receiver->call(x);
        rcu_read_unlock();
#ifdef QSBR
        rcu_quiescent_state();
#endif
    }

    Held connect(u64 c) {
        auto* added = make_receiver(c);
        std::lock_guard lock(change);
        auto* changed = new Table;
        changed->reserve(table->size() + 1);
        *changed = *table;
        changed->push_back(added);
        publish(changed);
        return added;
    }

    void disconnect(Held held) {
        {
            std::lock_guard lock(change);
            auto* changed = new Table;
            changed->reserve(table->size() - 1);
            auto at = table->end() - 1;
            while (*at != held) --at;
            changed->insert(changed->end(), table->begin(), at);
            changed->insert(changed->end(), at + 1, table->end());
            publish(changed);
        }
        delete held;
    }

    void publish(Table* changed) {
        Table* old = table;
        rcu_assign_pointer(table, changed);
        synchronize_rcu();
        delete old;
    }
};

Registered<Urcu> registered;

}

#include <QtCore/QObject>

#include "rival.hpp"

class Sender : public QObject {
    Q_OBJECT
Q_SIGNALS:
    void fired(const quint64& x);
};

namespace {

struct Qt6 {
    static std::string name() { return "Qt " QT_VERSION_STR ", direct"; }
    static constexpr const char* about = "a signal of a `QObject`; connections also follow their objects and threads";
    static constexpr bool changes = true;
    static constexpr const char* not_shared = "";

    using Held = QMetaObject::Connection;
    struct Local {
        explicit Local(Qt6&) {}
    };

    Sender sender;
    QObject context;
    std::vector<std::unique_ptr<Sender>> senders;

    Qt6(u64 n, std::vector<Held>& held) {
        for (u64 c = 0; c < n; c++) held.push_back(connect(c));
    }

    explicit Qt6(u64 count) {
        for (u64 c = 0; c < count; c++) {
            auto one = std::make_unique<Sender>();
            auto receiver = [c](const quint64& x) { work(c, x); };
            QObject::connect(one.get(), &Sender::fired, &context, receiver, Qt::DirectConnection);
            senders.push_back(std::move(one));
        }
    }

    void send_from(u64 sender) { Q_EMIT senders[sender]->fired(1); }
    void send(Local&) { Q_EMIT sender.fired(1); }
    Held connect(u64 c) {
        auto receiver = [c](const quint64& x) { work(c, x); };
        return QObject::connect(&sender, &Sender::fired, &context, receiver, Qt::DirectConnection);
    }
    void disconnect(const Held& held) { QObject::disconnect(held); }
};

Registered<Qt6> registered;

}

#include "qt.moc"

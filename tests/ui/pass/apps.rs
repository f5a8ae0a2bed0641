mod in_a_module {
    fanfare::apps!(fanfare_django);
}

fn main() {
    fanfare::apps!(fanfare_django as fanfare_django, fanfare_django,);
}
